//! What is true of households, items, accounts and transactions, and the ports through which the world is reached.
//!
//! No I/O here, no AWS, no runtime: functions decide with these types, adapters implement these ports. See the
//! README beside this crate for what was decided and why.

pub mod account;
pub mod bank;
pub mod household;
pub mod ids;
pub mod item;
pub mod money;
mod open_enum;
pub mod secret;
pub mod store;
pub mod sync;
pub mod time;
pub mod transaction;
pub mod vault;
