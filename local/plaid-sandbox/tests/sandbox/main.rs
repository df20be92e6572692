//! The sandbox as its callers see it: what goes wrong on demand, what changes on demand, and what only a network shows.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails where it stands, and a field that is absent reads as null"
)]

mod caller;
mod changes;
mod delivery;
mod faults;
mod http;
mod limits;
mod link;
mod notices;
mod receiver;
mod relink;
mod server;
mod sharing;
