#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod actors;
mod check;
mod coverage;
mod cut;
mod database;
mod dice;
mod edits;
mod engine;
mod lineage;
mod memory;
mod moves;
mod mutant;
mod names;
pub mod night;
mod plaid;
mod process;
mod queue;
mod scene;
mod schedule;
mod shrink;
mod swarm;
mod tally;
mod time;
mod trace;

pub use coverage::{Coverage, PHASES, Phase};
pub use cut::Cut;
pub use engine::Engine;
pub use moves::{MOVES, Move};
pub use mutant::Mutant;
pub use scene::Base;
pub use schedule::{Failure, Schedule, run};
pub use shrink::{Shrunk, shrink};
pub use swarm::FIRST_SWARM_SEED;
pub use tally::{FAULTS, Fault, Tally};
