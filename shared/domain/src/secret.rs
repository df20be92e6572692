//! Secrets: no Display, no Serialize, a Debug that shows only the name, wiped from memory when dropped.

use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ids::base32, time::Random};

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the text into keeping.
            pub fn new(text: String) -> Self {
                Self(SecretString::from(text))
            }

            /// The text itself. Each call is a place to look at in a review.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

secret_text!(
    /// What opens an Item at Plaid. Never expires by itself; whoever holds it reads the bank account.
    AccessToken
);
secret_text!(
    /// What Link hands to the app: opens an Item once, within 30 minutes.
    PublicToken
);
secret_text!(
    /// What lets somebody into a household, once.
    InvitationCode
);
secret_text!(
    /// Our secret at Plaid.
    PlaidSecret
);

impl InvitationCode {
    /// A code of 160 bits that nobody can guess.
    pub fn random(random: &dyn Random) -> Self {
        Self::new(format!("inv_{}", base32(&[random.entropy(), random.entropy()].concat())))
    }
}

/// Our keys at Plaid.
#[derive(Debug, Clone)]
pub struct PlaidCredentials {
    /// Who we are.
    pub client_id: String,
    /// That it is us.
    pub secret: PlaidSecret,
}

/// The keys cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// The service that keeps them does not answer: try again.
    #[error("the secret store cannot be reached")]
    Unavailable,
    /// They are not there or not as they should be: ours to mend.
    #[error("the Plaid credentials are unusable: {0}")]
    Unusable(&'static str),
}

/// Gives our keys at Plaid; remembers them for minutes, so that a rotation needs no new deployment.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The keys.
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError>;
}

/// An access token as the key service sealed it. Opens only for the same item of the same household.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedToken(pub Vec<u8>);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_only_the_name() {
        assert_eq!(format!("{:?}", AccessToken::new("access-sandbox-1".into())), "AccessToken");
        assert_eq!(format!("{:?}", PublicToken::new("public-sandbox-1".into())), "PublicToken");
        assert_eq!(format!("{:?}", PlaidSecret::new("s".into())), "PlaidSecret");
        assert_eq!(format!("{:?}", InvitationCode::new("inv_1".into())), "InvitationCode");
        assert_eq!(format!("{:?}", SealedToken(vec![1])), "SealedToken");
    }
}
