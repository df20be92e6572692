#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test's world says at once what is wrong with it"
)]

mod acting;
mod circle;
mod clock;
mod connector;
mod night;
mod queue;
mod refusals;
mod request;
mod webhooks;
mod world;

pub use acting::acting_as;
pub use circle::{CIRCLE, circle};
pub use clock::{SkippingClock, StandingClock};
pub use connector::{Aws, Fault};
pub use queue::{FakeQueue, FakeWebhookQueue};
pub use refusals::{Refusal, refusals};
pub use request::{body, request, with_header};
pub use webhooks::{FakeConfirmedKeys, KeyEndpoint, Signer, signed_part};
pub use world::World;
