//! Turning a finished Link session into a connection: the steps of an exchange, each safe to come to again.
//!
//! Everything that can fail comes before the exchange. After it a token is in our hands that must be stored, or given
//! back: what is left at Plaid is billed for ever.

mod twin;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

pub use twin::LinkedAccount;

use crate::{
    admission::{Admission, Admissions, admit},
    bank::{
        AccountFeed, AccountsAnswer, BankError, BankItem, Exchange, Exchanged, Institutions, Meaning,
        Patience,
    },
    ids::{HouseholdId, InstitutionId, ItemId, ItemRef, UserId, fingerprint},
    item::{NewItem, SyncState, Twin},
    pairing::{StoppedAccounts, settle},
    removal::{RemovalMessage, RemovalQueue},
    secret::{AccessToken, PublicToken, SealedToken},
    store::{Added, Connections, Intent, Intents, NewConnections, Replaced, Saved, StoreError},
    sync::{QueueError, SyncMessage, SyncQueue, SyncReads, Webhooks},
    time::{Clock, Random, later, until},
    vault::{TokenSealer, VaultError},
};

/// What linking reaches the world through.
pub struct Deps {
    /// The household's connections, to find one to the same accounts.
    pub connections: Arc<dyn Connections>,
    /// Admits the new connection to its household.
    pub admissions: Arc<dyn Admissions>,
    /// Exchanges under way.
    pub intents: Arc<dyn Intents>,
    /// Where new connections go.
    pub items: Arc<dyn NewConnections>,
    /// Reads them back, as the sync does.
    pub reads: Arc<dyn SyncReads>,
    /// Seals the token.
    pub vault: Arc<dyn TokenSealer>,
    /// Plaid's exchange.
    pub bank: Arc<dyn Exchange>,
    /// Plaid's accounts.
    pub accounts: Arc<dyn AccountFeed>,
    /// Plaid's banks.
    pub institutions: Arc<dyn Institutions>,
    /// Where Plaid's webhooks are to go, if anywhere.
    pub webhooks: Option<Webhooks>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// The queue of removals.
    pub removals: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

/// A finished Link session.
pub struct Session {
    /// Where the connection will be.
    pub household: HouseholdId,
    /// Who links.
    pub user: UserId,
    /// What Link handed over.
    pub public_token: PublicToken,
    /// The bank, as Link named it.
    pub institution: Option<InstitutionId>,
    /// Its name.
    pub institution_name: Option<String>,
    /// The accounts, as Link named them; none if nobody said.
    pub accounts: Option<Vec<LinkedAccount>>,
    /// Whether a person insists on a second connection to the same accounts.
    pub allow_duplicate: bool,
    /// When the answer must have been given.
    pub deadline: Timestamp,
}

/// Why a session did not become a connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The accounts are connected already, by this item; one of them is this.
    #[error("the accounts are connected already")]
    Duplicate {
        /// The item.
        item: ItemId,
        /// The name of one account.
        account: String,
    },
    /// Plaid's item is connected already, here or in another household.
    #[error("the item is connected already")]
    AlreadyConnected,
    /// The household has as many connections as it may. Nothing was done.
    #[error("the household has too many connections")]
    TooMany,
    /// The household ended meanwhile. The item was taken back.
    #[error("the household is gone")]
    NoHousehold,
    /// There is not enough time left for an exchange. Nothing was done.
    #[error("too little time is left")]
    TooSlow,
    /// The connection is stored; its accounts are not, yet. The same again goes on.
    #[error("the accounts are still being read")]
    Unfinished,
    /// Plaid refused, before or instead of an exchange.
    #[error(transparent)]
    Bank(#[from] BankError),
    /// Whether the exchange happened is not known: its intent tells of it.
    #[error("the fate of the exchange is not known: {0}")]
    FateUnknown(BankError),
    /// The item could neither be stored nor taken back: its intent tells of it.
    #[error("the item could neither be stored nor taken back")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key service failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
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

/// Makes the connection, or goes on where an earlier try of the same session stopped.
///
/// # Errors
/// Each says what is left behind.
pub async fn link(deps: &Deps, session: &Session) -> Result<SyncState, LinkError> {
    let begun = begin(deps, session).await?;
    let intent = &begun.intent;
    let stored = deps.reads.state(&intent.at).await?.filter(|state| is_linked(state, intent));
    let state = match stored {
        Some(refused) if refused.refused_for.is_some() => refused,
        // Most of the state of a link is in here: it stays off its callers' stacks.
        stored => Box::pin(connected(deps, session, &begun, stored)).await?,
    };
    // Where the item is, which may be the place of another, for a caller whose answer was lost.
    let done = Intent { at: state.item.at.clone(), succession: succession(&state), ..intent.clone() };
    let admitted = admitted(deps, session, state).await;
    if !matches!(admitted, Ok(_) | Err(LinkError::Duplicate { .. })) {
        return admitted;
    }
    // If this fails the intent is listed as unfinished although all is well: a warning too many, no loss.
    match deps.intents.linked(&done, deps.clock.now()).await {
        Ok(()) | Err(_) => admitted,
    }
}

/// Stores the connection, unless an earlier request has, and saves its accounts.
async fn connected(
    deps: &Deps,
    session: &Session,
    begun: &Begun,
    stored: Option<SyncState>,
) -> Result<SyncState, LinkError> {
    let mut linked = match stored {
        // What an earlier request left open is done again, which is harmless.
        Some(state) => Linked { state, token: None },
        None => match twin::find(deps, session).await {
            Ok(candidates) => connect(deps, session, begun, candidates).await?,
            Err(error) => {
                if !begun.again {
                    forget(deps, &begun.intent).await;
                }
                return Err(error);
            }
        },
    };
    let first = SyncMessage::first(linked.state.item.at.clone(), linked.state.item.want);
    deps.queue.send(&first, Duration::ZERO).await?;
    // Else the first sync would refuse it.
    if session.allow_duplicate {
        linked.state = admitted(deps, session, linked.state).await?;
    }
    with_accounts(deps, session, linked).await
}

/// How many have gone before an item in its place, if any.
fn succession(state: &SyncState) -> Option<u32> {
    Some(state.succession).filter(|count| *count > 0)
}

/// Whether the intent's item is what stands there: in a row of its own, or in the place of another; and has not gone since,
/// unless it was refused.
fn is_linked(state: &SyncState, intent: &Intent) -> bool {
    (state.item.health.may_sync() || state.refused_for.is_some())
        && intent.succession.is_none_or(|succession| state.succession >= succession)
}

/// Remembers the exchange. The same public token finds the same intent, whoever died over it.
async fn begin(deps: &Deps, session: &Session) -> Result<Begun, LinkError> {
    let intent = Intent {
        token_hash: fingerprint(session.public_token.expose()),
        at: ItemRef {
            household: session.household.clone(),
            item: ItemId::from_entropy(deps.random.entropy()),
        },
        user: session.user.clone(),
        began: deps.clock.now(),
        succession: None,
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

/// Exchange, seal, store.
async fn connect(
    deps: &Deps,
    session: &Session,
    begun: &Begun,
    candidates: twin::Candidates,
) -> Result<Linked, LinkError> {
    let intent = &begun.intent;
    let ready = match deps.vault.rehearse(&intent.at).await {
        Err(error) => Err(error.into()),
        Ok(()) if until(deps.clock.now(), session.deadline) < LEAST_TIME => Err(LinkError::TooSlow),
        Ok(()) => Ok(()),
    };
    if let Err(error) = ready {
        if !begun.again {
            forget(deps, intent).await;
        }
        return Err(error);
    }
    let exchanged = match deps.bank.exchange(&session.public_token).await {
        Ok(exchanged) => exchanged,
        Err(error) if !certainly_did_not_happen(&error) => return Err(LinkError::FateUnknown(error)),
        Err(error) => {
            // A token that an earlier request may have used up: its intent is all that tells of the item.
            if !begun.again {
                forget(deps, intent).await;
            }
            return Err(error.into());
        }
    };
    let old = twin::settle(deps, session, candidates, &exchanged.token).await;
    let at = old.map_or_else(|| Place::New(intent.at.clone()), Place::Of);
    let mut sealed = None;
    match keep(deps, session, (intent, &at), &exchanged, &mut sealed).await {
        Ok(Added::Stored) => match deps.reads.state(at.item()).await {
            Ok(Some(state)) => Ok(Linked { state, token: Some(exchanged.token) }),
            // It is stored; that it cannot be read right now is no reason to give it up.
            Ok(None) | Err(_) => Err(LinkError::Unfinished),
        },
        // Plaid's item is one that works already. Taking it back would end that connection.
        Ok(Added::AlreadyConnected) => {
            forget(deps, intent).await;
            Err(LinkError::AlreadyConnected)
        }
        Ok(Added::NoHousehold) => {
            take_back(deps, intent, at.item(), &exchanged.token, sealed).await?;
            Err(LinkError::NoHousehold)
        }
        Err(error) => {
            // The last try may have taken effect without an answer.
            if let Ok(Some(state)) = deps.reads.state(at.item()).await
                && sealed.as_ref() == Some(&state.token)
            {
                return Ok(Linked { state, token: Some(exchanged.token) });
            }
            take_back(deps, intent, at.item(), &exchanged.token, sealed).await?;
            Err(error)
        }
    }
}

/// A refusal is an answer, and a call that never left is none at all. After anything else the exchange may have
/// happened.
fn certainly_did_not_happen(error: &BankError) -> bool {
    match error.meaning {
        Meaning::Later { patience: Patience::Seconds | Patience::Hours, .. } => {
            matches!(error.code.as_str(), "unreachable" | "credentials_unavailable" | "PLANNED_MAINTENANCE")
        }
        Meaning::OurFault => error.code != "answer_too_large",
        Meaning::Later { patience: Patience::Minute, .. }
        | Meaning::NeedsUser
        | Meaning::Gone
        | Meaning::Unsupported
        | Meaning::RestartPagination
        | Meaning::CursorRefused
        | Meaning::Endless
        | Meaning::PublicTokenRefused
        | Meaning::AccountGone => true,
    }
}

/// Where an item is stored.
enum Place {
    /// In a row of its own.
    New(ItemRef),
    /// In the place of one that works no more.
    Of(ItemRef),
}

impl Place {
    fn item(&self) -> &ItemRef {
        match self {
            Self::New(at) | Self::Of(at) => at,
        }
    }
}

/// Seals and stores what came, trying until the time is nearly over.
async fn keep(
    deps: &Deps,
    session: &Session,
    (intent, place): (&Intent, &Place),
    exchanged: &Exchanged,
    kept: &mut Option<SealedToken>,
) -> Result<Added, LinkError> {
    let sealed = loop {
        match deps.vault.seal(place.item(), &exchanged.token).await {
            Ok(sealed) => break sealed,
            Err(error) if !pause(deps, session).await => return Err(error.into()),
            Err(_) => {}
        }
    };
    *kept = Some(sealed.clone());
    let new = NewItem {
        at: place.item().clone(),
        user: session.user.clone(),
        plaid_item: exchanged.plaid_item.clone(),
        institution: session.institution.clone(),
        institution_name: session.institution_name.clone(),
        token: sealed,
        at_time: deps.clock.now(),
        awaits_admission: !session.allow_duplicate,
    };
    loop {
        let stored = match place {
            Place::New(_) => deps.items.add(&new).await.map_err(LinkError::from),
            Place::Of(at) => replace(deps, intent, at, &new).await,
        };
        match stored {
            Err(LinkError::Store(StoreError::Unavailable(_) | StoreError::Busy))
                if pause(deps, session).await => {}
            other => return other,
        }
    }
}

/// Puts a new item into the place of one that works no more, and asks for that one to be removed at Plaid.
///
/// # Errors
/// If it works by now: a second connection to its accounts would double every transaction.
async fn replace(deps: &Deps, intent: &Intent, at: &ItemRef, new: &NewItem) -> Result<Added, LinkError> {
    let Some(old) = deps.reads.state(at).await? else { return Err(StoreError::Busy.into()) };
    // Our own first try, whose answer was lost.
    let is_done = old.token == new.token;
    // What update mode hands over is a public token of the same item: that one goes on.
    if !is_done && old.plaid_item == new.plaid_item {
        return Ok(Added::AlreadyConnected);
    }
    if !is_done && !twin::is_over(&old.item, &old.accounts) {
        return Err(LinkError::Duplicate { item: at.item.clone(), account: "An account of it".to_owned() });
    }
    if !is_done {
        let succession = Some(old.succession + 1);
        deps.intents.place(&Intent { at: at.clone(), succession, ..intent.clone() }).await?;
    }
    match if is_done { Replaced::Stored } else { deps.items.replace(&old, new).await? } {
        // Of one that was removed, nothing is left at Plaid.
        Replaced::Stored if old.token.0.is_empty() => Ok(Added::Stored),
        Replaced::Stored => {
            // The night asks for it as well: the row remembers what is left.
            match deps.removals.send(&RemovalMessage::of_item(at.clone()), Duration::ZERO).await {
                Ok(()) | Err(_) => Ok(Added::Stored),
            }
        }
        Replaced::AlreadyConnected => Ok(Added::AlreadyConnected),
        Replaced::NoHousehold => Ok(Added::NoHousehold),
        Replaced::Conflict => Err(StoreError::Busy.into()),
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

/// Ends the item at Plaid, now with the token in hand, or later by the queue: nothing is half-stored and nothing is
/// billed.
async fn take_back(
    deps: &Deps,
    intent: &Intent,
    at: &ItemRef,
    token: &AccessToken,
    sealed: Option<SealedToken>,
) -> Result<(), LinkError> {
    let mut is_taken_back = deps.bank.remove(token).await.is_ok();
    if !is_taken_back && let Some(sealed) = sealed {
        let message = RemovalMessage::of_token(at.clone(), sealed);
        is_taken_back = deps.removals.send(&message, Duration::ZERO).await.is_ok();
    }
    if !is_taken_back {
        return Err(LinkError::Lost);
    }
    forget(deps, intent).await;
    Ok(())
}

/// An intent that cannot be forgotten expires; until then it is listed.
async fn forget(deps: &Deps, intent: &Intent) {
    match deps.intents.end(&intent.token_hash).await {
        Ok(()) | Err(_) => {}
    }
}

/// Saves the item's accounts, unless they are saved already: by an earlier request, or by the first sync.
async fn with_accounts(deps: &Deps, session: &Session, linked: Linked) -> Result<SyncState, LinkError> {
    let Linked { mut state, token } = linked;
    let at = state.item.at.clone();
    let mut told = None;
    for _ in 0..SAVES {
        if state.accounts_known {
            return Ok(state);
        }
        // Without the token the sync brings the accounts: whoever links may not open what it sealed.
        let Some(token) = &token else { return Err(LinkError::Unfinished) };
        let answer = match told.take() {
            Some(answer) => answer,
            None => ask(deps, session, &state, token).await?,
        };
        let now = deps.clock.now();
        let accounts = settle(
            (&at.item, state.succession),
            StoppedAccounts::Stay,
            &state.accounts,
            &answer.accounts,
            now,
        );
        let saved = deps.items.save_accounts(&at, state.rev, &accounts, &answer.item, now).await?;
        told = Some(answer);
        state = deps.reads.state(&at).await?.ok_or(LinkError::Unfinished)?;
        match saved {
            Saved::Stored => return Ok(state),
            Saved::Conflict => deps.clock.sleep(PAUSE).await,
        }
    }
    Err(LinkError::Unfinished)
}

/// Admits the item to its household.
///
/// # Errors
/// If its accounts are connected already: then it is on its way out.
async fn admitted(deps: &Deps, session: &Session, mut state: SyncState) -> Result<SyncState, LinkError> {
    for _ in 0..SAVES {
        if let Some(twin) = state.refused_for {
            return Err(twin.into());
        }
        if !state.item.awaits_admission || !state.item.health.may_sync() {
            return Ok(state);
        }
        match admit(&*deps.admissions, &state, session.allow_duplicate, deps.clock.now()).await? {
            Some(Admission::Stays) => {
                state.item.awaits_admission = false;
                state.rev += 1;
            }
            Some(Admission::Goes(twin)) => {
                // The night asks for it as well: the row remembers what is left.
                let message = RemovalMessage::of_item(state.item.at.clone());
                match deps.removals.send(&message, Duration::ZERO).await {
                    Ok(()) | Err(_) => return Err(twin.into()),
                }
            }
            None => state = deps.reads.state(&state.item.at).await?.ok_or(LinkError::Unfinished)?,
        }
    }
    Err(LinkError::Unfinished)
}

impl From<Twin> for LinkError {
    fn from(twin: Twin) -> Self {
        Self::Duplicate { item: twin.item, account: twin.account }
    }
}

/// All accounts, with the bank's name; and webhooks come to us from now on.
async fn ask(
    deps: &Deps,
    session: &Session,
    state: &SyncState,
    token: &AccessToken,
) -> Result<AccountsAnswer, BankError> {
    let mut answer = deps.accounts.accounts(token).await?;
    name_bank(deps, session, state, &mut answer.item).await;
    if let (Some(ours), Some(theirs)) = (&deps.webhooks, &answer.item.webhook)
        && theirs.as_ref() != Some(&ours.url)
        && has_time(deps, session)
    {
        // If Plaid does not take it now, the night tells it again.
        match ours.address.send_webhooks_to(token, &ours.url).await {
            Ok(()) | Err(_) => {}
        }
    }
    Ok(answer)
}

fn has_time(deps: &Deps, session: &Session) -> bool {
    until(deps.clock.now(), session.deadline) > RESERVE
}

/// Looks up the bank's name if nobody has said it. Nice to have: without it the connection is as good.
async fn name_bank(deps: &Deps, session: &Session, state: &SyncState, bank: &mut BankItem) {
    let is_named = bank.institution_name.is_some() || state.item.institution_name.is_some();
    let Some(id) = bank.institution.as_ref().or(state.item.institution.as_ref()) else { return };
    if is_named || !has_time(deps, session) {
        return;
    }
    if let Ok(institution) = deps.institutions.institution(id).await {
        bank.institution_name = Some(institution.name);
    }
}
