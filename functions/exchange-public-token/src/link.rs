//! The steps of an exchange, each safe to come to again.

use std::time::Duration;

use domain::{
    bank::{BankError, BankItem, Exchanged, Meaning, Patience},
    ids::{HouseholdId, InstitutionId, ItemId, ItemRef, UserId, fingerprint},
    item::{NewItem, SyncState},
    secret::{AccessToken, PublicToken},
    store::{Added, Intent, Saved, StoreError},
    sync::SyncMessage,
    time::{later, until},
};
use edge::Problem;
use jiff::Timestamp;

use crate::Deps;

/// A finished Link session, to be turned into a connection.
pub(crate) struct Session {
    pub(crate) household: HouseholdId,
    pub(crate) user: UserId,
    pub(crate) public_token: PublicToken,
    pub(crate) institution: Option<InstitutionId>,
    pub(crate) institution_name: Option<String>,
    pub(crate) deadline: Timestamp,
}

/// What is kept back at the end of the time for taking an item back at Plaid: its call, and one try of the store or the
/// key service that has begun.
const RESERVE: Duration = Duration::from_secs(14);
/// With less time than this no exchange begins: its call, and the reserve.
const LEAST_TIME: Duration = Duration::from_secs(23);
/// Between two tries of the store.
const PAUSE: Duration = Duration::from_millis(200);
/// Tries of saving the accounts while the first sync writes too.
const SAVES: u32 = 5;

pub(crate) async fn link(deps: &Deps, session: &Session) -> Result<SyncState, Problem> {
    let begun = begin(deps, session).await?;
    let intent = &begun.intent;
    let linked = match deps.reads.state(&intent.at).await? {
        // An earlier request got as far as storing it. What it left open is done again, which is harmless.
        Some(linked) => Linked { state: linked, token: None },
        None => connect(deps, session, &begun).await?,
    };
    deps.queue.send(&SyncMessage::first(intent.at.clone(), 1), Duration::ZERO).await?;
    let state = with_accounts(deps, session, linked).await?;
    // If this fails the intent is listed as unfinished although all is well: a warning too many, no loss.
    if let Err(error) = deps.intents.end(&intent.token_hash).await {
        tracing::warn!(target: "function", %error, "a finished intent could not be removed");
    }
    Ok(state)
}

/// Remembers the exchange. The same public token finds the same intent, whoever died over it.
async fn begin(deps: &Deps, session: &Session) -> Result<Begun, Problem> {
    let intent = Intent {
        token_hash: fingerprint(session.public_token.expose()),
        at: ItemRef {
            household: session.household.clone(),
            item: ItemId::from_entropy(deps.random.entropy()),
        },
        user: session.user.clone(),
        began: deps.clock.now(),
    };
    match deps.intents.begin(&intent).await? {
        None => Ok(Begun { intent, again: false }),
        Some(intent) if intent.at.household == session.household && intent.user == session.user => {
            Ok(Begun { intent, again: true })
        }
        Some(_) => Err(BankError::new(Meaning::PublicTokenRefused, "INVALID_PUBLIC_TOKEN").into()),
    }
}

struct Begun {
    intent: Intent,
    /// Whether an earlier request has begun it: what that one did is not known.
    again: bool,
}

struct Linked {
    state: SyncState,
    /// Open, if it was exchanged just now.
    token: Option<AccessToken>,
}

/// Exchange, seal, store. Everything that can fail comes before the exchange.
async fn connect(deps: &Deps, session: &Session, begun: &Begun) -> Result<Linked, Problem> {
    let intent = &begun.intent;
    if let Err(error) = deps.vault.rehearse(&intent.at).await {
        if !begun.again {
            forget(deps, intent).await;
        }
        return Err(error.into());
    }
    if until(deps.clock.now(), session.deadline) < LEAST_TIME {
        if !begun.again {
            forget(deps, intent).await;
        }
        return Err(Problem::later(
            "too_slow",
            "Everything is slow right now. Nothing was done; try again.",
            5,
        ));
    }
    let exchanged = match deps.bank.exchange(&session.public_token).await {
        Ok(exchanged) => exchanged,
        Err(error) => {
            if certainly_did_not_happen(&error) {
                // A token that an earlier request may have used up: its intent is all that tells of the item.
                if !begun.again {
                    forget(deps, intent).await;
                }
            } else {
                tracing::error!(target: "function", item_id = %intent.at.item, "the fate of an exchange is not known");
                edge::metrics::emit(&[], &[("ExchangeFateUnknown", "Count", 1)]);
            }
            return Err(error.into());
        }
    };
    match keep(deps, session, intent, &exchanged).await {
        Ok(Added::Stored) => match deps.reads.state(&intent.at).await {
            Ok(Some(state)) => Ok(Linked { state, token: Some(exchanged.token) }),
            // It is stored; that it cannot be read right now is no reason to give it up.
            Ok(None) | Err(_) => Err(unfinished()),
        },
        // Plaid's item is one that works already. Taking it back would end that connection.
        Ok(Added::AlreadyConnected) => {
            forget(deps, intent).await;
            let words =
                "This bank log-in is connected already. Repair that connection instead of linking it again.";
            Err(Problem::new(409, "duplicate_connection", words))
        }
        Err(problem) => {
            // The last try may have taken effect without an answer.
            if let Ok(Some(state)) = deps.reads.state(&intent.at).await {
                return Ok(Linked { state, token: Some(exchanged.token) });
            }
            take_back(deps, intent, &exchanged.token).await;
            Err(problem)
        }
    }
}

/// A refusal is an answer, and a call that never left is none at all. After anything else the exchange may have
/// happened.
fn certainly_did_not_happen(error: &BankError) -> bool {
    match error.meaning {
        Meaning::Later { patience: Patience::Minute, .. } => true,
        Meaning::Later { .. } => {
            matches!(error.code.as_str(), "unreachable" | "credentials_unavailable" | "PLANNED_MAINTENANCE")
        }
        Meaning::OurFault => error.code != "answer_too_large",
        _ => true,
    }
}

/// Seals and stores what came, trying until the time is nearly over.
async fn keep(
    deps: &Deps,
    session: &Session,
    intent: &Intent,
    exchanged: &Exchanged,
) -> Result<Added, Problem> {
    let sealed = loop {
        match deps.vault.seal(&intent.at, &exchanged.token).await {
            Ok(sealed) => break sealed,
            Err(error) if !pause(deps, session).await => return Err(error.into()),
            Err(_) => {}
        }
    };
    let new = NewItem {
        at: intent.at.clone(),
        user: session.user.clone(),
        plaid_item: exchanged.plaid_item.clone(),
        institution: session.institution.clone(),
        institution_name: session.institution_name.clone(),
        token: sealed,
        at_time: deps.clock.now(),
    };
    loop {
        match deps.items.add(&new).await {
            Ok(added) => return Ok(added),
            Err(error @ (StoreError::Corrupt(_) | StoreError::Refused(_))) => return Err(error.into()),
            Err(error) if !pause(deps, session).await => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// Waits a little; false if there is no time for it.
async fn pause(deps: &Deps, session: &Session) -> bool {
    let has_time = until(later(deps.clock.now(), PAUSE), session.deadline) > RESERVE;
    if has_time {
        deps.clock.sleep(PAUSE).await;
    }
    has_time
}

/// Ends the item at Plaid, with the token in hand: nothing is half-stored and nothing is billed.
async fn take_back(deps: &Deps, intent: &Intent, token: &AccessToken) {
    match deps.bank.remove(token).await {
        Ok(()) => forget(deps, intent).await,
        Err(error) => {
            tracing::error!(target: "function", item_id = %intent.at.item, code = error.code,
                "an item could neither be stored nor taken back");
            edge::metrics::emit(&[], &[("ItemsLost", "Count", 1)]);
        }
    }
}

/// An intent that cannot be forgotten expires; until then it is listed.
async fn forget(deps: &Deps, intent: &Intent) {
    if let Err(error) = deps.intents.end(&intent.token_hash).await {
        tracing::warn!(target: "function", %error, "an intent could not be removed");
    }
}

/// Saves the item's accounts, unless they are saved already: by an earlier request, or by the first sync.
async fn with_accounts(deps: &Deps, session: &Session, linked: Linked) -> Result<SyncState, Problem> {
    let Linked { mut state, token } = linked;
    let at = state.item.at.clone();
    let mut told = None;
    for _ in 0..SAVES {
        if state.accounts_known {
            return Ok(state);
        }
        // Without the token the sync brings the accounts: this function may not open what it sealed.
        let Some(token) = &token else { return Err(unfinished()) };
        let answer = match told.take() {
            Some(answer) => answer,
            None => {
                let mut answer = deps.accounts.accounts(token).await?;
                name_bank(deps, session, &state, &mut answer.item).await;
                answer
            }
        };
        let saved = deps
            .items
            .save_accounts(&at, state.rev, &answer.accounts, &answer.item, deps.clock.now())
            .await?;
        told = Some(answer);
        state = deps.reads.state(&at).await?.ok_or_else(unfinished)?;
        if let Saved::Conflict = saved {
            deps.clock.sleep(PAUSE).await;
        }
    }
    Err(unfinished())
}

/// Looks up the bank's name if nobody has said it. Nice to have: without it the connection is as good.
async fn name_bank(deps: &Deps, session: &Session, state: &SyncState, bank: &mut BankItem) {
    let is_named = bank.institution_name.is_some() || state.item.institution_name.is_some();
    let has_time = until(deps.clock.now(), session.deadline) > RESERVE;
    let Some(id) = bank.institution.as_ref().or(state.item.institution.as_ref()) else { return };
    if is_named || !has_time {
        return;
    }
    match deps.institutions.institution(id).await {
        Ok(institution) => bank.institution_name = Some(institution.name),
        Err(error) => tracing::warn!(target: "function", %error, "the bank's name could not be looked up"),
    }
}

fn unfinished() -> Problem {
    Problem::later(
        "link_unfinished",
        "The bank is connected; its accounts are still being read. Send the same request again in a moment.",
        3,
    )
}
