#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod authority;
mod aws_front;
pub mod cli;
mod client;
mod compile;
mod connect;
mod console;
mod cors;
mod dead_letters;
mod demo;
mod function_url;
mod gateway;
pub mod invoke;
mod lambda;
mod names;
mod night;
mod options;
mod output;
mod plaid_cli;
mod pool;
mod process;
mod queue_source;
mod resources;
mod runs;
mod runtime_api;
mod schedule;
mod seed;
mod stack;
pub mod storm;

pub use client::Client;
pub use options::{Options, Plaid};
pub use stack::{Ready, Stack, StackError};

/// The root of the repository.
pub fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
