//! Pending transactions that post: the pending one goes, and a posted one comes under a new id, in any order.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{changes::Bank, ledger::Transaction};

/// How a pending transaction posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Posting {
    /// The pending one; any if absent.
    pub id: Option<String>,
    /// The posted one's amount, if another.
    pub amount: Option<Decimal>,
    /// The posted one's text, if another.
    pub name: Option<String>,
    /// Whether the posted one says which pending one it replaces.
    pub linked: bool,
    /// When the pending one goes.
    pub removal: Removal,
}

impl Default for Posting {
    fn default() -> Self {
        Self { id: None, amount: None, name: None, linked: true, removal: Removal::With }
    }
}

/// When a pending transaction goes, as seen from the posted one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Together with it.
    #[default]
    With,
    /// Before it, which comes with the next `settle`.
    Before,
    /// After it, with the next `settle`.
    After,
}

/// The second half of a posting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Open {
    /// The posted one is still to come.
    Comes(Box<Transaction>),
    /// The pending one is still to go.
    Goes(String),
}

impl Open {
    fn goes(&self) -> Option<&str> {
        match self {
            Self::Goes(pending) => Some(pending),
            Self::Comes(_) => None,
        }
    }

    /// Follows new ids of accounts and of transactions.
    pub(crate) fn renumber(&mut self, accounts: &BTreeMap<String, String>, ids: &BTreeMap<String, String>) {
        match self {
            Self::Comes(posted) => {
                if let Some(account) = accounts.get(&posted.account_id) {
                    posted.account_id.clone_from(account);
                    posted.pending_transaction_id = None;
                }
            }
            Self::Goes(pending) => {
                if let Some(id) = ids.get(pending) {
                    pending.clone_from(id);
                }
            }
        }
    }
}

impl Bank<'_> {
    /// Posts a pending transaction, and gives the posted one's id.
    pub(crate) fn post(&mut self, posting: &Posting) -> Option<String> {
        let going: Vec<_> = self.item.open.iter().filter_map(Open::goes).map(str::to_owned).collect();
        let fits = |t: &Transaction| t.pending && !going.contains(&t.id);
        let pending = self.live(posting.id.as_deref(), fits).filter(fits)?;
        let posted = Transaction {
            id: self.generator.id(),
            amount: posting.amount.unwrap_or(pending.amount),
            name: posting.name.clone().unwrap_or_else(|| pending.name.clone()),
            pending: false,
            pending_transaction_id: posting.linked.then(|| pending.id.clone()),
            authorized_date: Some(pending.date),
            date: self.today().max(pending.date),
            ..pending.clone()
        };
        let id = posted.id.clone();
        match posting.removal {
            Removal::With => {
                self.item.ledger.remove(&pending.id);
                self.item.ledger.put(posted);
            }
            Removal::Before => {
                self.item.ledger.remove(&pending.id);
                self.item.open.push(Open::Comes(Box::new(posted)));
            }
            Removal::After => {
                self.item.ledger.put(posted);
                self.item.open.push(Open::Goes(pending.id));
            }
        }
        Some(id)
    }

    /// Does what postings have left open, and gives the last id that it came to.
    pub(crate) fn settle(&mut self) -> Option<String> {
        let mut last = None;
        for open in std::mem::take(&mut self.item.open) {
            last = Some(match open {
                Open::Comes(posted) => self.put(*posted),
                Open::Goes(pending) => {
                    self.item.ledger.remove(&pending);
                    pending
                }
            });
        }
        last
    }
}
