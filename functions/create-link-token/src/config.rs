//! This function's settings.

use domain::bank::LinkSettings;
use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The table of guards.
    pub guards: String,
    /// The key that opens tokens.
    pub key: String,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
    /// What Link looks like.
    pub link: LinkSettings,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            table: env.required("TABLE_NAME"),
            guards: env.required("GUARDS_TABLE_NAME"),
            key: env.required("TOKEN_KEY_ARN"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
            link: LinkSettings {
                webhook_url: env.optional("PLAID_WEBHOOK_URL"),
                client_name: env.required("PLAID_CLIENT_NAME"),
                country_codes: env.words("PLAID_COUNTRY_CODES"),
                language: env.required("PLAID_LANGUAGE"),
            },
        };
        env.finish(config)
    }
}
