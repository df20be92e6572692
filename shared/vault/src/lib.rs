#![doc = include_str!("../README.md")]

mod confirmed_keys;
mod credentials;
mod tokens;

pub use confirmed_keys::ConfirmedKeySecret;
pub use credentials::Credentials;
pub use tokens::{Opener, Sealer};
