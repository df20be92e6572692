#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod actors;
mod check;
mod database;
mod dice;
mod edits;
mod engine;
mod memory;
mod mutant;
pub mod night;
mod plaid;
mod process;
mod queue;
mod scene;
mod schedule;
mod tally;
mod time;
mod trace;

pub use engine::Engine;
pub use mutant::Mutant;
pub use scene::Base;
pub use schedule::{Failure, run};
pub use tally::{FAULTS, Fault, Tally};
