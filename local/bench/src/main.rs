//! What the system can do, measured.
#![expect(clippy::print_stdout, clippy::float_arithmetic, reason = "figures for a person at a terminal")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod cpu;
mod database;
mod history;
mod linked;
mod memory;
mod night;
mod recorded;
mod search;
mod search_stack;
mod sync_path;
mod webhook;
mod worker;

use clap::{Parser, Subcommand};

/// The recorded answers and the database live in this process too: with the system's allocator their hundreds of megabytes
/// would slow each allocation of the sync's down, which a worker of its own does not see.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the system can do, measured.
#[derive(Parser)]
#[command(name = "cargo bench-run")]
struct Options {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Transactions a CPU second of the sync path: parse, fold, diff, and with the store's adapter and the SDK.
    SyncPath,
    /// Histories, idle syncs and lists, with the sandbox and the database in the same process.
    History,
    /// Searches, sums and exports of a large household: how long, and how many reads.
    Search {
        /// Transactions of the household.
        #[arg(long, default_value_t = 100_000)]
        count: u32,
    },
    /// The same questions through the gateway and the real processes, cold and warm.
    SearchStack {
        /// Transactions of the household.
        #[arg(long, default_value_t = 100_000)]
        count: u32,
    },
    /// What a webhook of Plaid's and a forged one cost the door.
    Webhook,
    /// A large history through real worker processes: how long, and how much memory a worker took.
    Worker {
        /// Transactions of each item.
        #[arg(long, default_value_t = 100_000)]
        count: u32,
        /// Items linked at once.
        #[arg(long, default_value_t = 1)]
        items: u32,
    },
    /// A night of many items in virtual time: planned with processes that die, and beside webhooks.
    Night {
        /// Items that are due.
        #[arg(long, default_value_t = 1_000_000)]
        items: u32,
    },
    /// A night through real processes.
    NightStack {
        /// Items.
        #[arg(long, default_value_t = 2_000)]
        items: u32,
        /// Transactions of each item.
        #[arg(long, default_value_t = 50)]
        count: u32,
    },
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    // Memory is counted for the process as a whole: what is to stay small goes first.
    let all = [
        What::Night { items: 1_000_000 },
        What::SyncPath,
        What::History,
        What::Search { count: 100_000 },
        What::SearchStack { count: 100_000 },
        What::Webhook,
        What::Worker { count: 100_000, items: 1 },
        What::NightStack { items: 2_000, count: 50 },
    ];
    match Options::parse().what {
        Some(what) => measure(&what),
        None => all.iter().try_for_each(measure),
    }
}

fn measure(what: &What) -> Outcome {
    let mut runtime = match what {
        What::SyncPath | What::History | What::Search { .. } | What::Webhook | What::Night { .. } => {
            tokio::runtime::Builder::new_current_thread()
        }
        What::SearchStack { .. } | What::Worker { .. } | What::NightStack { .. } => {
            tokio::runtime::Builder::new_multi_thread()
        }
    };
    runtime.enable_all().build()?.block_on(async {
        match what {
            What::SyncPath => sync_path::measure().await,
            What::History => Ok(history::measure().await?),
            What::Search { count } => search::measure(*count).await,
            What::SearchStack { count } => search_stack::measure(*count).await,
            What::Webhook => webhook::measure().await,
            What::Worker { count, items } => worker::measure(*count, *items).await,
            What::Night { items } => night::measure(*items),
            What::NightStack { items, count } => night::measure_stack(*items, *count).await,
        }
    })
}
