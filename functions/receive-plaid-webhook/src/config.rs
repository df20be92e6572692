//! This function's settings.

use domain::webhook::Environment;
use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The queue of webhooks.
    pub queue_url: String,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
    /// The secret with the ids of confirmed webhook keys.
    pub webhook_keys: String,
    /// Whose webhooks are taken.
    pub environment: Environment,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            queue_url: env.required("WEBHOOK_QUEUE_URL"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
            webhook_keys: env.required("WEBHOOK_KEYS_ID"),
            environment: env.choice("PLAID_ENVIRONMENT", Environment::Sandbox),
        };
        // Keys of the other environment would prove every webhook false.
        if Environment::of_url(&config.plaid_url).is_some_and(|there| there != config.environment) {
            env.fault("PLAID_BASE_URL is not in PLAID_ENVIRONMENT");
        }
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(plaid_url: &str, environment: &str) -> Vec<String> {
        let read = |name: &str| match name {
            "PLAID_BASE_URL" => Some(plaid_url.to_owned()),
            "PLAID_ENVIRONMENT" => Some(environment.to_owned()),
            name => Some(name.to_lowercase()),
        };
        Config::from_env(&read).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn address_and_environment_go_together() {
        let none: [String; 0] = [];
        assert_eq!(faults("https://production.plaid.com", "production"), none);
        assert_eq!(faults("http://127.0.0.1:4100", "production"), none);
        let mixed = ["PLAID_BASE_URL is not in PLAID_ENVIRONMENT"];
        assert_eq!(faults("https://production.plaid.com", "sandbox"), mixed);
        assert_eq!(faults("https://sandbox.plaid.com", "production"), mixed);
        let unknown = ["PLAID_ENVIRONMENT must be sandbox or production"];
        assert_eq!(faults("https://sandbox.plaid.com", "development"), unknown);
        assert_eq!(faults("https://sandbox.plaid.com", ""), ["PLAID_ENVIRONMENT is not set"]);
    }
}
