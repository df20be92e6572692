#![doc = include_str!("../README.md")]

mod credentials;
mod tokens;

pub use credentials::Credentials;
pub use tokens::{Opener, Sealer};
