//! A Link on a page of Plaid's: its connections come by webhook, and go to whoever opened it.

use domain::{
    bank::{BankError, Meaning},
    household::Permission,
    ids::{ItemRef, fingerprint},
    link::{LinkError, Session, link as connect},
    notice::LinkNews,
    secret::PublicToken,
    store::LinkSession,
};
use edge::waiting::ask;
use jiff::Timestamp;

use crate::{Deps, Halt, look};

pub(crate) async fn link(deps: &Deps, news: LinkNews, deadline: Timestamp) -> Result<(), Halt> {
    if !news.is_success {
        return Ok(());
    }
    // One that was opened without us is nobody's.
    let found = deps.sessions.session(&fingerprint(&news.link_token)).await?;
    // Of one that ends in the app, the app brings what came of it.
    let Some(session) = found.filter(|session| session.is_hosted) else { return Ok(()) };
    let membership = deps.memberships.membership(&session.user, &session.household).await?;
    if membership.is_none_or(|membership| !membership.role.allows(Permission::Connect)) {
        tracing::warn!(target: "function", "whoever opened a Link may not connect any more");
        return Ok(());
    }
    match &session.item {
        Some(item) => {
            let at = ItemRef { household: session.household.clone(), item: item.clone() };
            let now = deps.clock().now();
            ask(deps.clock(), async || deps.hints.renewed(&at, now).await).await?;
            look(deps, &at).await
        }
        None => {
            // What one cannot be exchanged for does not keep the others.
            let mut worst = Ok(());
            for token in news.public_tokens {
                let exchanged = exchange(deps, &session, token, deadline).await;
                // What is to come again brings them all again; those that were exchanged are refused then.
                if matches!(exchanged, Err(Halt::Retry(_))) || worst.is_ok() {
                    worst = exchanged;
                }
            }
            worst
        }
    }
}

/// Each token may come in several webhooks: one that was exchanged is refused, which is as it should be.
async fn exchange(
    deps: &Deps,
    session: &LinkSession,
    public_token: PublicToken,
    deadline: Timestamp,
) -> Result<(), Halt> {
    let session = Session {
        household: session.household.clone(),
        user: session.user.clone(),
        public_token,
        institution: None,
        institution_name: None,
        accounts: None,
        allow_duplicate: false,
        deadline,
    };
    match connect(&deps.link, &session).await {
        Ok(_)
        | Err(
            LinkError::AlreadyConnected
            | LinkError::TooMany
            | LinkError::NoHousehold
            | LinkError::Bank(BankError { meaning: Meaning::PublicTokenRefused, .. }),
        ) => Ok(()),
        Err(
            error @ (LinkError::TooSlow
            | LinkError::Unfinished
            | LinkError::Vault(_)
            | LinkError::Queue(_)
            | LinkError::Bank(BankError { meaning: Meaning::Later { .. }, .. })),
        ) => Err(Halt::Retry(error.to_string())),
        Err(LinkError::Store(error)) => Err(error.into()),
        Err(error @ LinkError::FateUnknown(_)) => {
            edge::metrics::emit(&[], &[("ExchangeFateUnknown", "Count", 1)]);
            Err(Halt::Park(error.to_string()))
        }
        Err(error @ LinkError::Lost) => {
            edge::metrics::emit(&[], &[("ItemsLost", "Count", 1)]);
            Err(Halt::Park(error.to_string()))
        }
        Err(LinkError::Duplicate { .. }) => {
            edge::metrics::emit(&[], &[("DuplicateLinks", "Count", 1)]);
            Ok(())
        }
        Err(error @ LinkError::Bank(_)) => Err(Halt::Park(error.to_string())),
    }
}
