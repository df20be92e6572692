//! Whether a session is for accounts that are connected already. A second connection to them would double every
//! transaction; one that works no more is replaced.

use super::{Deps, LinkError, Session};
use crate::{
    account::{Account, BankAccount},
    ids::ItemRef,
    item::{Connection, HealthState, Item},
    pairing::is_twin,
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

/// What is known of a twin before the exchange.
pub(super) enum Twin {
    /// This one works no more.
    Dead(ItemRef),
    /// One of these may be it, which work no more: the accounts will tell, once they can be asked for.
    Perhaps(Vec<Connection>),
}

/// Looks for a twin among the household's connections, by what Link said of the accounts. Two log-ins at one bank are none:
/// one account in common is. A twin that works and that Link's words do not show is found once the accounts are saved.
///
/// # Errors
/// If it works, or can be repaired, unless a person insists.
pub(super) async fn find(deps: &Deps, session: &Session) -> Result<Twin, LinkError> {
    let connections = deps.connections.connections(&session.household).await?;
    let mut dead = Vec::new();
    for connection in connections.into_iter().filter(|connection| connection.item.health.may_sync()) {
        let is_dead = is_dead(&connection.item);
        match account_in_common(&connection, session) {
            Some(_) if is_dead && (session.allow_duplicate || connection.item.health.is_beyond_repair()) => {
                return Ok(Twin::Dead(connection.item.at));
            }
            Some(account) if !session.allow_duplicate => {
                let account = account.name().to_owned();
                return Err(LinkError::Duplicate { item: connection.item.at.item, account });
            }
            None if is_dead => dead.push(connection),
            Some(_) | None => {}
        }
    }
    Ok(Twin::Perhaps(dead))
}

/// The item whose place the new one takes, now that its accounts can be asked for. Without an answer it is a connection
/// of its own.
pub(super) async fn settle(
    deps: &Deps,
    session: &Session,
    twin: Twin,
    token: &AccessToken,
) -> Option<ItemRef> {
    let dead = match twin {
        Twin::Dead(at) => return Some(at),
        Twin::Perhaps(dead) => dead,
    };
    if dead.is_empty() || !super::has_time(deps, session) {
        return None;
    }
    let answer = deps.accounts.accounts(token).await.ok()?;
    let institution = answer.item.institution.as_ref().or(session.institution.as_ref());
    let is_twin = |connection: &Connection| {
        let is_same_bank = institution.is_none() || connection.item.institution.as_ref() == institution;
        goes_on(connection, &answer.accounts, is_same_bank)
    };
    dead.into_iter().find(is_twin).map(|connection| connection.item.at)
}

/// Whether a new connection's accounts are those of one that works no more: at the same bank one of them, and at another,
/// whose id may have changed, all of them with their masks.
fn goes_on(connection: &Connection, new: &[BankAccount], is_same_bank: bool) -> bool {
    let kept: Vec<_> = connection.accounts.iter().filter(|account| !account.state.is_stopped()).collect();
    let is_in =
        |new: &BankAccount, is_same_bank| kept.iter().any(|old| is_twin(&old.bank, new, is_same_bank));
    if is_same_bank || new.iter().any(|new| is_in(new, false)) {
        return new.iter().any(|new| is_in(new, is_same_bank));
    }
    let is_whole = new.len() == kept.len() && !new.is_empty();
    is_whole && new.iter().all(|new| new.mask.is_some() && is_in(new, true))
}

/// Whether it works no more as it is.
pub(super) fn is_dead(item: &Item) -> bool {
    match item.health.state {
        HealthState::NeedsLogin | HealthState::Revoked | HealthState::Unsupported => true,
        HealthState::Healthy | HealthState::Expiring | HealthState::Removing | HealthState::Removed => false,
    }
}

fn account_in_common<'a>(connection: &'a Connection, session: &Session) -> Option<&'a Account> {
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
