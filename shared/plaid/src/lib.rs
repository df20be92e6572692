#![doc = include_str!("../README.md")]

mod calls;
mod client;
mod errors;
mod transaction;
mod wire;

pub use calls::{Directory, Linker, RangePage};
pub use client::{Client, ConfigError};
