//! What must hold once everything is quiet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use domain::{
    account::{Account, AccountState},
    bank::TransactionFeed,
    edit::{Orphans, UserHalf},
    ids::{Cursor, TransactionId},
    item::SyncState,
    search::{Search, TransactionSearch},
    secret::AccessToken,
    sync::{StoredRow, SyncReads},
    transaction::BankFacts,
};
use plaid::{Call, RawAnswer, Transport, TransportError};

use crate::{
    database::CursorMove,
    plaid::{Issued, Plaid},
    scene::{Item, Keys, Scene},
};

/// What does not hold.
pub(crate) type Divergence = String;

/// Plaid without faults, and without being watched.
struct Direct(Plaid);

#[async_trait::async_trait]
impl Transport for Direct {
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError> {
        let reply = self.0.answer(call.path, &call.body);
        Ok(RawAnswer { status: reply.status, retry_after_s: None, body: reply.body })
    }
}

macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// What must hold before anybody comes by himself: what says that it is up to date is, and no number is open that was
/// asked for.
pub(crate) async fn quiet(scene: &Scene, item: &Item) -> Result<(), Divergence> {
    let state = state(scene, item).await?;
    let waits = state.item.failure.is_some() || !state.item.health.is_active();
    if waits {
        return Ok(());
    }
    let asked = u64::try_from(item.asked.load(Ordering::SeqCst)).unwrap_or_default();
    let done = state.item.done;
    must!(done >= asked, "{asked} was asked for, {done} is done, and no message is left");
    equal(scene, item, &state, &rows(scene, item).await?, &ledger(scene, item).await?)
}

/// What must hold after the night.
pub(crate) async fn settled(scene: &Scene, item: &Item) -> Result<(), Divergence> {
    let state = state(scene, item).await?;
    must!(state.stage.is_none(), "a stage is open");
    must!(state.item.done == state.item.want, "done {} of {}", state.item.done, state.item.want);
    must!(state.item.failure.is_none(), "a failure stands: {:?}", state.item.failure);
    must!(state.item.health.is_active(), "the item is {:?}", state.item.health.state);
    accounts(scene, item, &state)?;
    let (rows, ledger) = (rows(scene, item).await?, ledger(scene, item).await?);
    equal(scene, item, &state, &rows, &ledger)?;
    listed(scene, item, &rows).await?;
    edits(scene, item, &rows, &ledger).await?;
    cursors(scene, item)
}

/// The accounts that are kept up to date are those that the item shares, each once.
fn accounts(scene: &Scene, item: &Item, state: &SyncState) -> Result<(), Divergence> {
    let live = state.accounts.iter().filter(|account| account.state == AccountState::Live);
    let mut stored: Vec<_> = live.map(|account| account.bank.id.to_string()).collect();
    let mut shared = scene.plaid.sandbox.world().account_ids(&item.plaid_id);
    stored.sort();
    shared.sort();
    must!(stored == shared, "accounts {stored:?} are stored, {shared:?} are shared");
    // An unshared account was taken away by the bank, or had no recognisable successor: one of which only the id was ever
    // known has none.
    let lineage = scene.lineage();
    let looks_alike = |one: &Account| {
        let others = state.accounts.iter().filter(|other| other.id != one.id);
        others
            .filter(|other| (&other.bank.name, &other.bank.mask) == (&one.bank.name, &one.bank.mask))
            .count()
            > 1
    };
    for account in state.accounts.iter().filter(|account| account.state.is_unshared()) {
        let id = &account.bank.id;
        must!(
            lineage.is_lost(id.as_str()) || looks_alike(account) || account.bank.is_placeholder(),
            "{id} is not shared, though the bank shares its accounts"
        );
    }
    Ok(())
}

async fn state(scene: &Scene, item: &Item) -> Result<SyncState, Divergence> {
    let state = scene.direct.state(&item.at).await.map_err(|error| error.to_string())?;
    state.ok_or_else(|| "the item is gone".to_owned())
}

fn by_carried(rows: &[StoredRow]) -> BTreeMap<&str, &StoredRow> {
    rows.iter().filter_map(|row| Some((row.carries.as_ref()?.as_str(), row))).collect()
}

/// The stored transactions are Plaid's ledger.
fn equal(
    scene: &Scene,
    item: &Item,
    state: &SyncState,
    rows: &[StoredRow],
    ledger: &BTreeMap<TransactionId, BankFacts>,
) -> Result<(), Divergence> {
    let live = by_carried(rows);
    must!(live.len() == rows.len(), "two rows carry one id");
    // Rows of an account that is not shared, or seems not to be, are compared once it is shared again: Plaid sends no
    // news of them.
    let shared = scene.plaid.sandbox.world().account_ids(&item.plaid_id);
    let is_shared = |account: &Account| {
        account.state == AccountState::Live && shared.iter().any(|id| id == account.bank.id.as_str())
    };
    let of_shared = |row: &StoredRow| {
        let account = row.signature.as_ref().map(|(signature, _)| &signature.account);
        state.accounts.iter().all(|known| Some(&known.id) != account || is_shared(known))
    };
    let in_ledger = |facts: &BankFacts| {
        state.accounts.iter().all(|account| account.bank.id != facts.account || is_shared(account))
    };
    let stored: BTreeSet<&str> = live.iter().filter(|(_, row)| of_shared(row)).map(|(id, _)| *id).collect();
    let listed = ledger.iter().filter(|(_, facts)| in_ledger(facts));
    let expected: BTreeSet<&str> = listed.map(|(id, _)| id.as_str()).collect();
    let missing: Vec<_> = expected.difference(&stored).collect();
    let surplus: Vec<_> = stored.difference(&expected).collect();
    must!(
        missing.is_empty() && surplus.is_empty(),
        "of {} in the ledger {missing:?} are missing; {surplus:?} are too many",
        expected.len()
    );
    let is_whole = {
        let said = scene.plaid.said();
        !said.unread.contains(&item.token) && !said.bulky.contains(&item.token)
    };
    for (id, facts) in ledger {
        let Some(row) = live.get(id.as_str()) else { continue };
        let Some((signature, date)) = &row.signature else { return Err(format!("{id} has no signature")) };
        must!(signature.amount == facts.amount, "{id} has {:?}, not {:?}", signature.amount, facts.amount);
        must!(*date == facts.date, "{id} is of {date}, not {}", facts.date);
        let account = state.accounts.iter().find(|account| account.id == signature.account);
        must!(account.is_some_and(|a| a.bank.id == facts.account), "{id} is on another account");
        if !account.is_some_and(is_shared) {
            continue;
        }
        must!(!is_whole || row.digest == Some(facts.digest()), "{id} has other details than the ledger");
    }
    Ok(())
}

async fn rows(scene: &Scene, item: &Item) -> Result<Vec<StoredRow>, Divergence> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page =
            scene.direct.live_rows(&item.at, after.as_ref()).await.map_err(|error| error.to_string())?;
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return Ok(rows);
        }
    }
}

/// The ledger, as the client reads it.
async fn ledger(scene: &Scene, item: &Item) -> Result<BTreeMap<TransactionId, BankFacts>, Divergence> {
    let client = plaid::Client::over(Arc::new(Direct(scene.plaid.clone())), Arc::new(Keys));
    let token = AccessToken::new(item.token.clone());
    let (mut all, mut cursor): (BTreeMap<_, _>, Option<Cursor>) = (BTreeMap::new(), None);
    loop {
        let page = client.page(&token, cursor.as_ref()).await.map_err(|error| error.to_string())?;
        all.extend(page.added.into_iter().map(|facts| (facts.id.clone(), facts)));
        if !page.has_more {
            return Ok(all);
        }
        cursor = page.next_cursor;
    }
}

/// The list shows every live row once.
async fn listed(scene: &Scene, item: &Item, rows: &[StoredRow]) -> Result<(), Divergence> {
    let households = vec![scene.household.clone()];
    let scope = scene.direct.scope(&households).await.map_err(|error| error.to_string())?;
    let mut search = Search::everything(500);
    let mut keys = Vec::new();
    loop {
        let page = scene.direct.find(&search, &scope).await.map_err(|error| error.to_string())?;
        keys.extend(page.transactions.into_iter().filter(|t| t.item == item.at.item).map(|t| t.id));
        search.after = page.next;
        if search.after.is_none() {
            break;
        }
    }
    keys.sort();
    let mut expected: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    expected.sort();
    must!(keys == expected, "listed {keys:?}, stored {expected:?}");
    Ok(())
}

/// Each edit is on its row, and the row is where the transaction is.
async fn edits(
    scene: &Scene,
    item: &Item,
    rows: &[StoredRow],
    ledger: &BTreeMap<TransactionId, BankFacts>,
) -> Result<(), Divergence> {
    let live = by_carried(rows);
    let orphans = scene.direct.orphans(&item.at).await.map_err(|error| error.to_string())?;
    let orphans: BTreeMap<_, _> = orphans.into_iter().map(|orphan| (orphan.key, orphan.half)).collect();
    let by_key: BTreeMap<&TransactionId, &StoredRow> = live.values().map(|row| (&row.key, *row)).collect();
    let seen = scene.seen(item);
    let (done, maybe) = {
        let edits = item.edits();
        (edits.done.clone(), edits.maybe.clone())
    };
    for (key, half) in &done {
        let there = match by_key.get(key) {
            Some(_) => scene.direct.half(&item.at, key).await.map_err(|error| error.to_string())?,
            None => orphans.get(key).cloned(),
        };
        let Some(there) = there else { return Err(format!("the edit on {key} is gone")) };
        // A guess hides nothing, nor does what is left of one.
        let is_guessed = by_key.get(key).is_none_or(|row| row.guessed);
        let half = UserHalf { hidden: if is_guessed { there.hidden } else { half.hidden }, ..half.clone() };
        must!(is_explained(&there, &half, &maybe), "{key} has {there:?}, not {half:?}");
    }
    // A link that was shown in a way that nobody can read links nothing.
    if scene.plaid.said().unread.contains(&item.token) {
        return Ok(());
    }
    for key in orphans.keys() {
        // Of several postings that are linked to one transaction, the bank does not say which continues it.
        let Some(family) = family(key, &seen) else { continue };
        for member in family.iter().filter(|id| ledger.keys().any(|live| live.as_str() == id.as_str())) {
            let Some(row) = live.get(member.as_str()) else { continue };
            must!(
                row.edited,
                "the edit on {key} is an orphan, but {member} is there, in the row {}",
                row.key
            );
        }
    }
    Ok(())
}

/// The last certain edit, or a later one whose answer was lost.
fn is_explained(there: &UserHalf, done: &UserHalf, maybe: &[String]) -> bool {
    let note = there.note.as_ref().map(domain::edit::Note::as_str);
    *there == *done
        || (there.rev >= done.rev && note.is_some_and(|note| maybe.iter().any(|other| other == note)))
}

/// The ids that Plaid links to a transaction, with its own; `None` if it links two to one.
fn family(key: &TransactionId, seen: &BTreeMap<String, Option<String>>) -> Option<BTreeSet<String>> {
    let mut family = BTreeSet::from([key.to_string()]);
    let mut last = key.to_string();
    loop {
        let mut linked = seen.iter().filter(|(_, link)| link.as_ref() == Some(&last)).map(|(id, _)| id);
        let Some(next) = linked.next() else { return Some(family) };
        if linked.next().is_some() || !family.insert(next.clone()) {
            return None;
        }
        last.clone_from(next);
    }
}

/// Committed cursors are a subsequence of those that were given out since the last beginning.
fn cursors(scene: &Scene, item: &Item) -> Result<(), Divergence> {
    let said = scene.plaid.said();
    let issued = said.cursors.get(&item.token).map(Vec::as_slice).unwrap_or_default();
    let mut rest = issued;
    for (id, moved) in scene.database.moves() {
        if id != item.at.item.as_str() {
            continue;
        }
        match moved {
            // What was given out before the reset does not count any more; the next stream begins behind it.
            CursorMove::Cleared => {}
            CursorMove::Set(cursor) => {
                let place = rest.iter().position(|given| *given == Issued::Cursor(cursor.clone()));
                let Some(place) = place else {
                    return Err(format!("the cursor {cursor} was committed out of order"));
                };
                rest = rest.get(place..).unwrap_or_default();
            }
        }
    }
    Ok(())
}
