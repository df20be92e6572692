//! What a bank does to an item: its moves, and how one becomes a change of the sandbox.

use plaid_sandbox::{Change, Posting, Removal};
use rust_decimal::Decimal;

use crate::{dice::Dice, names::named, tally::Fault};

const NAMES: [&str; 3] = ["Tea", "Coffee", "Bread"];
/// Refusals that last until they are healed.
const TROUBLES: [&str; 5] = [
    "NO_ACCOUNTS",
    "ADDITIONAL_CONSENT_REQUIRED",
    "PRODUCTS_NOT_SUPPORTED",
    "INSTITUTION_NO_LONGER_SUPPORTED",
    "ITEM_LOCKED",
];

named! {
    /// A move of the bank's.
    Move, MOVES, {
        AddPending = "pending transaction",
        AddPosted = "posted transaction",
        Amend = "other amount",
        Remove = "removal",
        Restore = "removed and restored later",
        Revert = "changed and changed back",
        Flicker = "added and removed between two reads",
        RemovedThenRestored = "removed and restored between two reads",
        Churn = "removed and added under another id",
        Post = "posting",
        PostUnlinked = "posting without a link",
        PostBefore = "posting after its pending transaction is gone",
        PostAfter = "posting before its pending transaction goes",
        Settle = "second half of postings",
        Balance = "balance",
        LoginLoss = "log-in lost",
        Repair = "log-in repaired",
        Trouble = "lasting refusal",
        Renumber = "new account ids",
        Reissue = "new account ids, masks and names",
        LoseAccount = "account not shared any more",
        ShareAccount = "account shared again",
        MoveInstitution = "other institution id",
    }
}

impl Move {
    /// The move of a schedule without a swarm.
    pub(crate) fn plain(dice: &Dice) -> Option<Self> {
        Some(match dice.below(40) {
            0..=8 => Self::AddPending,
            9..=12 => Self::AddPosted,
            13..=15 => Self::Amend,
            16 => Self::Remove,
            17 | 18 => Self::Restore,
            19 => Self::Revert,
            20 => Self::Flicker,
            21 => Self::RemovedThenRestored,
            22 => Self::Churn,
            23 => Self::LoginLoss,
            24 if dice.in_1000(300) => Self::Renumber,
            25 => Self::Balance,
            26 | 27 => Self::Settle,
            28 => Self::Repair,
            _ => return None,
        })
    }

    /// The change that it makes, and the fault that counts it, if one does.
    pub(crate) fn change(
        self,
        dice: &Dice,
        amount: Option<Decimal>,
        name: Option<&str>,
        is_swarm: bool,
    ) -> (Change, Option<Fault>) {
        let add = |pending| Change::Add {
            pending,
            amount,
            name: name.map(str::to_owned),
            date: None,
            authorized_date: None,
            account: None,
        };
        let post = |linked, removal| Change::Post(Posting { linked, removal, ..Posting::default() });
        match self {
            Self::AddPending => (add(true), None),
            Self::AddPosted => (add(false), None),
            Self::Amend => (Change::Amend { id: None, amount }, None),
            Self::Remove => (Change::Remove { id: None }, None),
            Self::Restore => (Change::Restore { id: None }, Some(Fault::Restore)),
            Self::Revert => (Change::Revert { id: None }, Some(Fault::Revert)),
            Self::Flicker => (Change::Flicker, Some(Fault::Flicker)),
            Self::RemovedThenRestored => {
                (Change::RemovedThenRestored { id: None }, Some(Fault::RemovedThenRestored))
            }
            Self::Churn => (Change::Churn { id: None }, Some(Fault::Churn)),
            Self::Post => (post(true, Removal::With), Some(Fault::PostWith)),
            Self::PostUnlinked => (post(false, removal(dice)), Some(Fault::PostUnlinked)),
            Self::PostBefore => (post(true, Removal::Before), Some(Fault::PostBefore)),
            Self::PostAfter => (post(true, Removal::After), Some(Fault::PostAfter)),
            Self::Settle => (Change::Settle, None),
            Self::Balance => {
                (Change::Balance { account: None, current: Decimal::from(dice.between(0, 500)) }, None)
            }
            Self::LoginLoss => (Change::LoginLoss, Some(Fault::LoginLoss)),
            Self::Repair if is_swarm && dice.in_1000(500) => (Change::Trouble { code: None }, None),
            Self::Repair => (Change::Repair, None),
            Self::Trouble => {
                let code = dice.one_of(&TROUBLES).map(|code| (*code).to_owned());
                (Change::Trouble { code }, Some(Fault::Trouble))
            }
            Self::Renumber => (Change::RenumberAccounts, Some(Fault::NewAccountIds)),
            Self::Reissue => (Change::ReissueAccounts, Some(Fault::NewAccountNames)),
            Self::LoseAccount => {
                (Change::LoseAccount { account: None, revoked: false }, Some(Fault::LostAccount))
            }
            Self::ShareAccount => (Change::ShareAccount, Some(Fault::SharedAccount)),
            Self::MoveInstitution => {
                let id = if dice.in_1000(500) { "ins_109508" } else { "ins_109509" };
                (Change::MoveInstitution { id: id.to_owned() }, Some(Fault::NewInstitution))
            }
        }
    }
}

fn removal(dice: &Dice) -> Removal {
    match dice.below(4) {
        0 => Removal::Before,
        1 => Removal::After,
        _ => Removal::With,
    }
}

/// A posting of a schedule without a swarm, with its move.
pub(crate) fn plain_posting(dice: &Dice) -> (Move, Posting, Fault) {
    let linked = dice.in_1000(650);
    let removal = removal(dice);
    let (which, fault) = match removal {
        _ if !linked => (Move::PostUnlinked, Fault::PostUnlinked),
        Removal::Before => (Move::PostBefore, Fault::PostBefore),
        Removal::After => (Move::PostAfter, Fault::PostAfter),
        Removal::With => (Move::Post, Fault::PostWith),
    };
    (which, Posting { linked, removal, ..Posting::default() }, fault)
}

/// A name for a transaction.
pub(crate) fn name(dice: &Dice) -> Option<&'static str> {
    dice.one_of(&NAMES).copied()
}
