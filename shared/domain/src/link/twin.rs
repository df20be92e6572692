//! Whether a session is for accounts that are connected already. A second connection to them would double every
//! transaction; one that works no more is replaced.

use super::{Deps, LinkError, Session};
use crate::{
    account::Account,
    ids::{InstitutionId, ItemRef},
    item::{Connection, HealthState, Item},
    pairing::is_same,
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
    /// There is none.
    None,
    /// This one works no more.
    Dead(ItemRef),
    /// One of these may be it, which work no more: the accounts will tell, once they can be asked for.
    Perhaps(Vec<Connection>),
}

/// Looks for a twin among the household's connections. Two log-ins at one bank are none: one account in common is.
///
/// # Errors
/// If it works, or can be repaired, unless a person insists.
pub(super) async fn find(deps: &Deps, session: &Session) -> Result<Twin, LinkError> {
    let connections = deps.connections.connections(&session.household).await?;
    let mut dead = Vec::new();
    for connection in connections {
        if !is_at(&connection, session.institution.as_ref()) || !connection.item.health.may_sync() {
            continue;
        }
        let in_common = session.accounts.as_ref().and_then(|linked| in_common(&connection, linked));
        let is_dead = is_dead(&connection.item);
        match in_common {
            Some(_)
                if is_dead
                    && session.institution.is_some()
                    && (session.allow_duplicate || is_over(&connection)) =>
            {
                return Ok(Twin::Dead(connection.item.at));
            }
            Some(account) if !session.allow_duplicate && session.institution.is_some() => {
                let account = account.name().to_owned();
                return Err(LinkError::Duplicate { item: connection.item.at.item, account });
            }
            // Which bank it is, or which accounts, is known once they can be asked for.
            Some(_) if is_dead && session.institution.is_none() => dead.push(connection),
            None if is_dead && session.accounts.is_none() => dead.push(connection),
            Some(_) | None => {}
        }
    }
    Ok(if dead.is_empty() { Twin::None } else { Twin::Perhaps(dead) })
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
        Twin::None => return None,
        Twin::Dead(at) => return Some(at),
        Twin::Perhaps(dead) => dead,
    };
    if !super::has_time(deps, session) {
        return None;
    }
    let answer = deps.accounts.accounts(token).await.ok()?;
    let is_twin = |connection: &Connection| {
        let institution = answer.item.institution.as_ref().or(session.institution.as_ref());
        let kept = connection.accounts.iter().filter(|account| !account.state.is_stopped());
        let mut pairs = kept.flat_map(|old| answer.accounts.iter().map(move |new| (old, new)));
        institution.is_some()
            && connection.item.institution.as_ref() == institution
            && pairs.any(|(old, new)| is_same(&old.bank, new))
    };
    dead.into_iter().find(is_twin).map(|connection| connection.item.at)
}

/// Whether a connection may be to that bank: it is, or nobody has said which one it is to be.
fn is_at(connection: &Connection, institution: Option<&InstitutionId>) -> bool {
    institution.is_none() || connection.item.institution.as_ref() == institution
}

/// Whether it works no more as it is.
pub(super) fn is_dead(item: &Item) -> bool {
    match item.health.state {
        HealthState::NeedsLogin | HealthState::Revoked | HealthState::Unsupported => true,
        HealthState::Healthy | HealthState::Expiring | HealthState::Removing | HealthState::Removed => false,
    }
}

/// Whether it cannot be repaired.
fn is_over(connection: &Connection) -> bool {
    connection.item.health.is_beyond_repair()
}

fn in_common<'a>(connection: &'a Connection, linked: &[LinkedAccount]) -> Option<&'a Account> {
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
