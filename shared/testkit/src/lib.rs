#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test's world says at once what is wrong with it"
)]

mod clock;
mod connector;
mod night;
mod queue;
mod request;
mod world;

pub use clock::SkippingClock;
pub use connector::{Aws, Fault};
pub use queue::FakeQueue;
pub use request::{body, request};
pub use world::World;
