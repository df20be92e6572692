//! Where a run cuts its work.

/// How much a run does at once. The defaults come from what a transaction of the store takes: 100 actions and 4 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Actions of an update that is written without the redo log, the item's own not counted.
    pub small: usize,
    /// Rows of one write of a large update: what is left are the item, the household and the ledger.
    pub chunk: usize,
    /// Bytes of one write.
    pub chunk_bytes: usize,
    /// Bytes of a page of the redo log.
    pub page_bytes: usize,
    /// Accounts that fit beside a page, each with its balance of the day.
    pub accounts: usize,
    /// Pages that are kept in memory between the passes; larger updates are read again.
    pub kept_pages: u32,
    /// Pages of one update: half a million transactions. More is no update but a loop.
    pub most_pages: u32,
    /// Pages in a row that say nothing new and still promise more.
    pub empty_pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            small: 90,
            chunk: 96,
            chunk_bytes: 3_000_000,
            page_bytes: 3_000_000,
            accounts: 40,
            kept_pages: 4,
            most_pages: 1_000,
            empty_pages: 20,
        }
    }
}
