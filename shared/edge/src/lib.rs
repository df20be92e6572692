#![doc = include_str!("../README.md")]

pub mod account;
pub mod batch;
pub mod body;
pub mod category;
pub mod codes;
pub mod edits;
pub mod env;
pub mod household;
pub mod http;
pub mod idempotency;
pub mod item;
pub mod logs;
pub mod metrics;
pub mod numbers;
pub mod open;
pub mod openapi;
pub mod problem;
pub mod query;
pub mod schedule;
pub mod search;
pub mod system;
pub mod transaction;
pub mod waiting;
pub mod webhook;

pub use problem::Problem;
