//! The sync, which may lose and double nothing.
//!
//! The cursor belongs to the item. One lock: the revision on the item's row; every write of the sync is one
//! transaction whose first action requires the revision that was read and adds one to it. Nobody holds the lock and
//! it does not expire: a late writer, a second worker, a removal in between fail and start over from a fresh read.
//!
//! A trigger is a number: whoever asks for a sync adds one to the item's `want`; a commit sets `done` to the `want`
//! it read before fetching. What one finished run covers needs no other.

mod apply;
mod budget;
mod engine;
mod fetch;
mod fold;
mod ledger;
mod limits;
mod links;
mod look;
mod message;
mod pairs;
mod patience;
mod plan;
mod ports;
mod turns;

pub use budget::{Allowance, Budgets, Lease, Leases, Pool, Rate};
pub use engine::{Deps, Outcome, SyncError, Trigger, Webhooks, sync};
pub use fetch::PACE;
pub use fold::PageFacts;
pub use ledger::{Cause, DayBalance, Ledger, RunEntry};
pub use limits::Limits;
pub use message::{LONGEST_DELAY, MESSAGE_VERSION, Next, Poll, SyncMessage, next_poll, next_try, try_delay};
pub(crate) use pairs::DAYS_APART;
pub use plan::{RowWrite, StoredRow};
pub use ports::{
    AccountWrite, Announcements, Commit, CommitError, Edit, ItemPatch, LiveRows, QueueError, SyncQueue,
    SyncReads, SyncWrites,
};
pub use turns::Turns;
