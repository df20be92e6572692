//! Plaid's webhooks: which of them are Plaid's.
//!
//! Anybody can call the address. Plaid signs what it sends: the header `Plaid-Verification` is a token (a compact JWS,
//! ES256) that names its key, its time and the hash of the body's very bytes.
//! <https://plaid.com/docs/api/webhooks/webhook-verification/>
//!
//! What is proven false is refused. What could not be checked is not: Plaid sends it again.

mod confirmed;
mod environment;
mod keys;
mod lookups;
mod message;
mod replays;
mod ring;
mod token;
mod verify;

pub use confirmed::{ConfirmedKeyWriter, ConfirmedKeys, KeyConfirmer, MAX_CONFIRMED_KEYS};
pub use environment::Environment;
pub use keys::{KeyError, KeyId, VerifyingKey, WebhookKey, WebhookKeys};
pub use message::{ReceivedWebhook, WebhookQueue};
pub use replays::Replays;
pub use verify::{LARGEST_BODY, Refusal, Verifier};
