//! Identifiers. Ours are random and carry their kind in a prefix; Plaid's are opaque, case-sensitive text.

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::text;

/// Ten random bytes: what one of our ids is made of (80 bits).
pub type Entropy = [u8; 10];

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_LEN: usize = 16;

/// A text that is not the identifier it should be. Never repeats the text: ids come from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {0}")]
pub struct IdError(&'static str);

impl IdError {
    pub(crate) fn new(must: &'static str) -> Self {
        Self(must)
    }
}

/// Crockford base 32, lower case, five bits a character.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = usize::try_from((buffer >> bits) & 31).unwrap_or_default();
            out.push(ALPHABET.get(index).copied().map_or('0', char::from));
        }
        buffer &= (1 << bits) - 1;
    }
    out
}

/// The SHA-256 of a content in lower-case hexadecimal: tells contents apart without keeping them.
pub fn fingerprint(content: impl AsRef<[u8]>) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        for digit in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    hex
}

fn is_random_part(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| ALPHABET.contains(&b))
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// What `openapi.json` says of an identifier.
macro_rules! schema_of_id {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $must:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// A new id from random bytes.
            pub fn from_entropy(entropy: Entropy) -> Self {
                Self(format!(concat!($prefix, "{}"), base32(&entropy)))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.strip_prefix($prefix) {
                    Some(rest) if is_random_part(rest, RANDOM_LEN) => Ok(Self(text.to_owned())),
                    _ => Err(IdError($must)),
                }
            }
        }

        serde_as_text!($name);
        schema_of_id!($name, {
            "type": "string",
            "pattern": concat!("^", $prefix, "[0-9a-hjkmnp-tv-z]{16}$"),
        });
    };
}

own_id!(
    /// A household: the people who share money, and the boundary of every permission.
    HouseholdId,
    "hh_",
    "a household id: hh_ and 16 characters"
);
own_id!(
    /// A connection to one bank by one log-in: Plaid's Item under an id of ours, so that a replaced Item carries on.
    ItemId,
    "itm_",
    "an item id: itm_ and 16 characters"
);

own_id!(
    /// An invitation, for those who list and withdraw it. It says nothing of the code.
    InvitationId,
    "ivt_",
    "an invitation id: ivt_ and 16 characters"
);

/// One bank account. The id names the item it belongs to, so an account is found without an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

const ACCOUNT_TAIL: usize = 10;

impl AccountId {
    /// The id of the account that Plaid first showed as `plaid` under `item`. The same account gets the same id
    /// whoever saves it first, so two writers cannot make it twice.
    pub fn derive(item: &ItemId, plaid: &PlaidAccountId) -> Self {
        Self::derive_nth(item, plaid, 0)
    }

    /// The same for an account whose id [`Self::derive`] belongs to another one already: each number gives another id.
    pub fn derive_nth(item: &ItemId, plaid: &PlaidAccountId, number: u32) -> Self {
        let mut hash = Sha256::new_with_prefix(plaid.as_str().as_bytes());
        if number > 0 {
            hash.update(number.to_be_bytes());
        }
        let digest = hash.finalize();
        let tail: String = base32(&digest).chars().take(ACCOUNT_TAIL).collect();
        let item_part = item.0.strip_prefix("itm_").unwrap_or_default();
        Self(format!("acc_{item_part}_{tail}"))
    }

    /// The account of an item that is told from its siblings by `tail`.
    pub fn of(item: &ItemId, tail: &str) -> Result<Self, IdError> {
        format!("acc_{}_{tail}", item.0.strip_prefix("itm_").unwrap_or_default()).parse()
    }

    /// The item that the account belongs to.
    pub fn item(&self) -> ItemId {
        ItemId(format!("itm_{}", self.parts().0))
    }

    /// What tells the account from its siblings: the end of its key.
    pub fn tail(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.strip_prefix("acc_").and_then(|rest| rest.split_once('_')).unwrap_or_default()
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.strip_prefix("acc_").and_then(|rest| rest.split_once('_'));
        match parts {
            Some((item, tail)) if is_random_part(item, RANDOM_LEN) && is_random_part(tail, ACCOUNT_TAIL) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(IdError("an account id: acc_, 16 characters, _ and 10 characters")),
        }
    }
}

serde_as_text!(AccountId);
schema_of_id!(AccountId, {
    "type": "string",
    "pattern": "^acc_[0-9a-hjkmnp-tv-z]{16}_[0-9a-hjkmnp-tv-z]{10}$",
});

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $must:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > $max || text.chars().any(char::is_control) {
                    return Err(IdError($must));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl $name {
            /// The id of this text; a stand-in if it cannot be one. The same text gets the same.
            pub fn of_text(text: &str) -> Self {
                text.parse().unwrap_or_else(|_not_an_id| Self::stand_in(text))
            }

            /// An id for what came without one that can be read: the same text gets the same.
            pub fn stand_in(text: &str) -> Self {
                Self(format!("unreadable-{}", base32(&Sha256::digest(text.as_bytes()))))
            }
        }

        serde_as_text!($name);
        // Bytes are what is counted: a text beyond ASCII may be shorter at most.
        schema_of_id!($name, {
            "type": "string",
            "minLength": 1,
            "maxLength": $max,
            "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$",
        });
    };
}

opaque_id!(
    /// A person: the `sub` claim of the token, as the issuer wrote it.
    UserId,
    256,
    "a user id of 1 to 256 characters"
);
opaque_id!(
    /// Plaid's id of an Item. The only thing a webhook says about whom it concerns.
    PlaidItemId,
    512,
    "an id of 1 to 512 characters"
);
opaque_id!(
    /// Plaid's id of an account. May change under the same account (a re-link, a bank's migration).
    PlaidAccountId,
    512,
    "an id of 1 to 512 characters"
);
opaque_id!(
    /// Plaid's id of an institution.
    InstitutionId,
    128,
    "an institution id of 1 to 128 characters"
);
opaque_id!(
    /// A transaction: the id under which Plaid first showed it. Later ids of the same transaction lead to it.
    TransactionId,
    512,
    "a transaction id of 1 to 512 characters"
);
opaque_id!(
    /// A position in the stream of an Item's updates. Opaque; belongs to the item, never to an account.
    Cursor,
    4096,
    "a cursor of 1 to 4096 characters"
);

opaque_id!(
    /// A category: one of the system's set, or one of a household's own.
    CategoryId,
    64,
    "a category of 1 to 64 characters"
);
/// A word of people's, kept as [`text::line`] has it; two that look the same but for case are the same.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $max:literal, $must:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text::line(text, $max).map(Self).ok_or(IdError($must))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0 || text::folded(&self.0) == text::folded(&other.0)
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                text::folded(&self.0).cmp(&text::folded(&other.0))
            }
        }

        serde_as_text!($name);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text::line_schema($max)
            }
        }
    };
}

word!(
    /// A word that people put on transactions to find them by.
    Tag,
    50,
    "a tag of 1 to 50 characters that can be seen"
);
word!(
    /// The name of a field of the household's own.
    FieldName,
    50,
    "a field name of 1 to 50 characters that can be seen"
);

impl TransactionId {
    /// A new id of a transaction that a person enters, from random bytes. Plaid's are letters and digits.
    pub fn from_entropy(entropy: Entropy) -> Self {
        Self(format!("txn_{}", base32(&entropy)))
    }
}

impl CategoryId {
    /// A new id of a household's own category from random bytes.
    pub fn from_entropy(entropy: Entropy) -> Self {
        Self(format!("cat_{}", base32(&entropy)))
    }

    /// The id of the system's category with a code of Plaid's: readable, and never one of a household's own.
    pub(crate) fn of_system(code: &str) -> Self {
        Self(format!("s_{}", code.to_ascii_lowercase()))
    }
}

/// Where an item lives: every key of the store carries the household, so a wrong household finds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemRef {
    /// The household that owns the connection.
    pub household: HouseholdId,
    /// The connection.
    pub item: ItemId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn own_ids_read_back(entropy: Entropy, plaid in "[a-zA-Z0-9]{1,40}") {
            let item = ItemId::from_entropy(entropy);
            prop_assert_eq!(item.as_str().parse::<ItemId>().unwrap(), item.clone());
            let account = AccountId::derive(&item, &plaid.parse().unwrap());
            prop_assert_eq!(account.as_str().parse::<AccountId>().unwrap(), account.clone());
            prop_assert_eq!(account.item(), item);
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text: String) {
            prop_assert!(text.parse::<HouseholdId>().is_err() || text.starts_with("hh_"));
            prop_assert!(text.parse::<AccountId>().is_err() || text.starts_with("acc_"));
            prop_assert_eq!(text.parse::<UserId>().is_ok(),
                !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control));
        }
    }

    #[test]
    fn a_fingerprint_is_the_hash_in_hexadecimal() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(fingerprint(""), empty);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let item = ItemId::from_entropy([7; 10]);
        assert!(item.as_str().parse::<HouseholdId>().is_err());
        assert!("itm_UPPERCASE1234567".parse::<ItemId>().is_err());
    }
}
