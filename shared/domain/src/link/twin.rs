//! Whether a session is for accounts that are connected already. A second connection to them would double every
//! transaction; one that no longer works is replaced.

use super::{Deps, LinkError, Session};
use crate::{
    account::{Account, AccountState, BankAccount},
    admission::{account_in_common, in_common},
    ids::{InstitutionId, ItemRef},
    item::{Connection, HealthState, Item},
    limit::MAX_ITEMS,
    pairing::{Banks, is_twin},
    secret::AccessToken,
};

/// An account as Link named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAccount {
    /// The name at the bank.
    pub name: Option<String>,
    /// The last digits.
    pub mask: Option<String>,
    /// Plaid's subtype.
    pub subtype: Option<String>,
}

/// The connections that a new one may be a twin of.
pub(super) struct Candidates {
    /// The one whose place it takes, by what Link said of the accounts.
    dead: Option<ItemRef>,
    /// All of the household.
    all: Vec<Connection>,
}

/// Looks for a twin among the household's connections, by what Link said of the accounts. Two log-ins at one bank are none:
/// one account in common is. What Link's words do not show, the accounts will, once they can be asked for.
///
/// # Errors
/// If it works, or can be repaired, unless a person insists.
pub(super) async fn find(deps: &Deps, session: &Session) -> Result<Candidates, LinkError> {
    let all = deps.connections.connections(&session.household).await?;
    let mut candidates = Candidates { dead: None, all };
    for connection in candidates.all.iter().filter(|connection| connection.item.health.may_sync()) {
        let Some(account) = account_named(connection, session) else { continue };
        let is_over = session.allow_duplicate || connection.item.health.is_beyond_repair();
        if is_dead(&connection.item) && is_over {
            candidates.dead.get_or_insert_with(|| connection.item.at.clone());
            continue;
        }
        if !session.allow_duplicate {
            let account = account.name().to_owned();
            return Err(LinkError::Duplicate { item: connection.item.at.item.clone(), account });
        }
    }
    let is_connected =
        |connection: &&Connection| connection.item.health.may_sync() && !is_dead(&connection.item);
    if candidates.dead.is_none() && candidates.all.iter().filter(is_connected).count() >= MAX_ITEMS {
        return Err(LinkError::TooMany);
    }
    Ok(candidates)
}

/// The item whose place the new one takes, now that its accounts can be asked for. Without an answer it is a connection of
/// its own; so is one to the accounts of a connection that works, which its household does not admit.
pub(super) async fn settle(
    deps: &Deps,
    session: &Session,
    candidates: Candidates,
    token: &AccessToken,
) -> Option<ItemRef> {
    let Candidates { dead: named, all } = candidates;
    let (kept, connected): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|connection| is_kept(&connection.item, &connection.accounts));
    let (dead, live): (Vec<_>, Vec<_>) =
        connected.into_iter().partition(|connection| is_dead(&connection.item));
    if (dead.is_empty() && kept.is_empty()) || !super::has_time(deps, session) {
        return named;
    }
    let Ok(answer) = deps.accounts.accounts(token).await else { return named };
    let institution = answer.item.institution.as_ref().or(session.institution.as_ref());
    let is_same = |other: &Connection| account_in_common(other, &answer.accounts, institution).is_some();
    if !session.allow_duplicate && live.iter().any(is_same) {
        return None;
    }
    let goes_on = |old: &&Connection| goes_on(old, &answer.accounts, institution);
    // What a connection that can be repaired still has is not taken up a second time from one that was removed.
    let is_free = !dead.iter().any(is_same);
    let kept = || kept.iter().find(goes_on).filter(|_| is_free);
    named.or_else(|| dead.iter().find(goes_on).or_else(kept).map(|old| old.item.at.clone()))
}

/// Whether a new connection replaces a broken one. At the same bank one common account is enough; at another bank, whose id
/// may have changed, all accounts agree with their masks. A connection that can be repaired is replaced only if all accounts
/// are the same for certain.
fn goes_on(dead: &Connection, new: &[BankAccount], institution: Option<&InstitutionId>) -> bool {
    let is_kept = is_kept(&dead.item, &dead.accounts);
    let goes_on = |account: &&Account| {
        if is_kept { account.state == AccountState::Manual } else { !account.state.is_stopped() }
    };
    let kept: Vec<_> = dead.accounts.iter().filter(goes_on).collect();
    if !is_kept && !dead.item.health.is_beyond_repair() {
        let banks = Banks::of(dead.item.institution.as_ref(), institution);
        let is_certain = |new: &BankAccount| kept.iter().any(|old| is_twin(&old.bank, new, banks));
        return !new.is_empty() && new.len() == kept.len() && new.iter().all(is_certain);
    }
    let is_known =
        |new: &BankAccount| new.mask.is_some() && kept.iter().any(|old| is_twin(&old.bank, new, Banks::Same));
    let are_all_known = !new.is_empty() && new.len() == kept.len() && new.iter().all(is_known);
    are_all_known || in_common(&dead.item, &kept, new, institution).is_some()
}

/// Whether a new connection may take its place: it no longer works, or only its accounts are left.
pub(super) fn is_over(item: &Item, accounts: &[Account]) -> bool {
    is_dead(item) || is_kept(item, accounts)
}

/// Whether it was removed, and accounts of it are kept by hand.
fn is_kept(item: &Item, accounts: &[Account]) -> bool {
    // One that was opened by hand has no bank.
    item.health.state == HealthState::Removed
        && item.institution.is_some()
        && accounts.iter().any(|account| account.state == AccountState::Manual)
}

/// Whether it no longer works as it is.
fn is_dead(item: &Item) -> bool {
    match item.health.state {
        HealthState::NeedsLogin | HealthState::Revoked | HealthState::Unsupported => true,
        HealthState::Healthy | HealthState::Expiring | HealthState::Removing | HealthState::Removed => false,
    }
}

fn account_named<'a>(connection: &'a Connection, session: &Session) -> Option<&'a Account> {
    let linked = session.accounts.as_ref()?;
    if session.institution.is_none() || connection.item.institution != session.institution {
        return None;
    }
    let mut kept = connection.accounts.iter().filter(|account| !account.state.is_stopped());
    kept.find(|account| linked.iter().any(|new| names(new, account)))
}

/// By name, mask and subtype. A mask alone is not unique, and nothing at all says nothing.
fn names(new: &LinkedAccount, stored: &Account) -> bool {
    let bank = &stored.bank;
    new.mask.is_some()
        && new.mask == bank.mask
        && new.name.as_ref() == Some(&bank.name)
        && (new.subtype.is_none() || new.subtype == bank.subtype)
}
