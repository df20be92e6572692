#![doc = include_str!("../README.md")]

mod credentials;
mod key_names;
mod tokens;

pub use credentials::Credentials;
pub use key_names::KeyNames;
pub use tokens::{Opener, Sealer};
