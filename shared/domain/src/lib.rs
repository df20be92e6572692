#![doc = include_str!("../README.md")]

pub mod account;
pub mod bank;
pub mod category;
pub mod edit;
pub mod event;
pub mod household;
pub mod idempotency;
pub mod ids;
pub mod item;
pub mod link;
pub mod money;
pub mod night;
pub mod notice;
mod open_enum;
pub mod pairing;
pub mod queue;
pub mod removal;
pub mod retries;
pub mod search;
pub mod secret;
pub mod store;
pub mod sync;
pub mod time;
pub mod transaction;
pub mod vault;
pub mod webhook;
