//! Plaid's two worlds, which share nothing.

use std::str::FromStr;

use thiserror::Error;

/// One of Plaid's environments. Items, keys and webhooks of one mean nothing in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Invented banks.
    Sandbox,
    /// Real ones.
    Production,
}

/// A text that names none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be sandbox or production")]
pub struct EnvironmentError;

impl Environment {
    /// The name, as webhooks have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }

    /// The environment that an address of Plaid's own is in; `None` for every other address.
    pub fn of_url(url: &str) -> Option<Self> {
        let host = url.split("://").nth(1)?.split(['/', ':', '?', '#']).next()?;
        [Self::Sandbox, Self::Production]
            .into_iter()
            .find(|environment| host.eq_ignore_ascii_case(&format!("{}.plaid.com", environment.as_str())))
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        match text {
            "sandbox" => Ok(Self::Sandbox),
            "production" => Ok(Self::Production),
            _ => Err(EnvironmentError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaids_own_addresses_tell_their_environment() {
        let cases = [
            ("https://production.plaid.com", Some(Environment::Production)),
            ("https://Sandbox.plaid.com:443/", Some(Environment::Sandbox)),
            ("https://production.plaid.com.example", None),
            ("http://127.0.0.1:4100", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(Environment::of_url(url), expected, "{url}");
        }
        for name in ["", "Sandbox", "development"] {
            assert_eq!(name.parse::<Environment>(), Err(EnvironmentError), "{name}");
        }
    }
}
