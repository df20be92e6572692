#![doc = include_str!("../README.md")]

mod calls;
mod client;
mod errors;
mod http;
mod transaction;
mod transport;
mod webhook;
mod wire;

pub use calls::{Directory, Linker, RangePage};
pub use client::{Client, ConfigError};
pub use transport::{Call, RawAnswer, Transport, TransportError};
