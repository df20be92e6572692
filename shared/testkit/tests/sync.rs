//! The sync against any ledger: however its changes are cut into pages, the store ends equal to it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    account::{AccountState, BankAccount},
    bank::{BankError, HistoryStatus, Meaning, Patience, SyncPage, TransactionFeed},
    ids::{Cursor, ItemRef, PlaidAccountId, TransactionId},
    secret::AccessToken,
    sync::{Cause, Deps, Outcome, SyncReads, Trigger, sync},
    transaction::{BankFacts, PaymentMeta},
};
use jiff::{Timestamp, civil::date};
use proptest::prelude::*;
use rust_decimal::Decimal;
use testkit::{StandingClock, World};

fn facts(id: &str, amount: i64, pending_of: Option<&str>) -> BankFacts {
    BankFacts {
        is_undated: false,
        id: id.parse().unwrap(),
        account: "account".parse().unwrap(),
        pending_of: pending_of.map(|id| id.parse().unwrap()),
        pending: id.starts_with('p'),
        amount: Some(Decimal::new(amount, 2).normalize()),
        currency: None,
        date: date(2026, 1, 1),
        authorized_date: None,
        name: "Tea".to_owned(),
        merchant_name: None,
        payment_channel: None,
        category: None,
        payment_meta: PaymentMeta::default(),
        check_number: None,
        code: None,
        logo_url: None,
        detail: None,
        raw: None,
    }
}

/// A Plaid that has one update at a time, in pages.
#[derive(Default)]
struct Script {
    updates: AtomicU32,
    pages: Mutex<Vec<SyncPage>>,
    refuse_cursor: Mutex<bool>,
    /// Calls that fail from now on.
    failures: AtomicU32,
    /// The account of all transactions, one that the item lists.
    account: Option<PlaidAccountId>,
}

#[async_trait]
impl TransactionFeed for Script {
    async fn page(&self, _: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        if cursor.is_some() && std::mem::take(&mut *self.refuse_cursor.lock().unwrap()) {
            return Err(BankError::new(Meaning::CursorRefused, "INVALID_FIELD"));
        }
        let fail = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail).is_ok() {
            return Err(BankError::later(Patience::Seconds, "INTERNAL_SERVER_ERROR"));
        }
        let pages = self.pages.lock().unwrap();
        // A page may be read again; whoever has another cursor begins the update.
        let read = pages.iter().position(|page| page.has_more && page.next_cursor.as_ref() == cursor);
        let mut page = pages[read.map_or(0, |place| place + 1)].clone();
        if let Some(account) = &self.account {
            page.added.iter_mut().for_each(|facts| facts.account = account.clone());
        }
        Ok(page)
    }
}

impl Script {
    /// The update in pages of `size`.
    fn load(&self, upserts: &[BankFacts], removed: &[TransactionId], size: usize, history: &HistoryStatus) {
        let mut changes: Vec<Result<&BankFacts, &TransactionId>> = upserts.iter().map(Ok).collect();
        changes.extend(removed.iter().map(Err));
        let chunks: Vec<_> = changes.chunks(size.max(1)).collect();
        let count = chunks.len().max(1);
        let update = self.updates.fetch_add(1, Ordering::Relaxed);
        let page = |number: usize| {
            let chunk = chunks.get(number).copied().unwrap_or_default();
            SyncPage {
                added: chunk.iter().filter_map(|change| change.ok()).cloned().collect(),
                modified: Vec::new(),
                removed: chunk.iter().filter_map(|change| change.err()).cloned().collect(),
                accounts: Vec::new(),
                next_cursor: format!("cursor-{update}-{number}").parse().ok(),
                has_more: number + 1 < count,
                history: history.clone(),
                request_id: None,
                left_out: Vec::new(),
            }
        };
        *self.pages.lock().unwrap() = (0..count).map(page).collect();
    }
}

struct Case {
    world: World,
    script: Arc<Script>,
    at: ItemRef,
}

impl Case {
    async fn new() -> Self {
        let world = World::new().await;
        let (at, _) = world.item("user_good", "pass_good").await;
        let item = world.sandbox.world().item_ids().remove(0);
        let account = world.sandbox.world().account_ids(&item).first().map(|id| id.parse().unwrap());
        Self { world, script: Arc::new(Script { account, ..Script::default() }), at }
    }

    fn trigger(&self) -> Trigger {
        Trigger {
            at: self.at.clone(),
            want: None,
            cause: Cause::Night,
            deadline: Timestamp::MAX,
            fresh_within: None,
        }
    }

    async fn run(&self) -> Outcome {
        let deps = Deps { feed: self.script.clone(), ..self.world.sync() };
        sync(&deps, &self.trigger()).await.unwrap()
    }

    /// What is stored: the id that each live row carries, with its amount, and the row's key.
    async fn stored(&self) -> BTreeMap<String, (Decimal, String)> {
        let live = self.world.store.live_rows(&self.at, None).await.unwrap();
        assert_eq!(live.next, None, "a megabyte is more than any test here has");
        let all = live.rows.into_iter().map(|row| {
            let amount = row.signature.unwrap().0.amount.unwrap();
            (row.carries.unwrap().to_string(), (amount, row.key.to_string()))
        });
        all.collect()
    }
}

/// One change of the ledger.
#[derive(Debug, Clone)]
enum Change {
    Add(u8, i64),
    Amend(u8, i64),
    Remove(u8),
    /// A pending one posts, with or without a link to it.
    Post(u8, i64, bool),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = prop_oneof![
        6 => (any::<u8>(), -999_i64..999).prop_map(|(n, a)| Change::Add(n, a)),
        2 => (any::<u8>(), -999_i64..999).prop_map(|(n, a)| Change::Amend(n, a)),
        2 => any::<u8>().prop_map(Change::Remove),
        3 => (any::<u8>(), -999_i64..999, any::<bool>()).prop_map(|(n, a, linked)| Change::Post(n, a, linked)),
    ];
    proptest::collection::vec(proptest::collection::vec(change, 0..160), 1..4)
}

#[derive(Default)]
struct Ledger {
    now: BTreeMap<String, BankFacts>,
    /// The pending ids that have posted: they never come back.
    posted: Vec<String>,
}

impl Ledger {
    fn apply(&mut self, change: &Change) {
        let pending = |n: &u8| format!("p{n}");
        match change {
            Change::Add(n, amount) => {
                let id = pending(n);
                if !self.posted.contains(&id) {
                    self.now.entry(id.clone()).or_insert_with(|| facts(&id, *amount, None));
                }
            }
            Change::Amend(n, amount) => {
                if let Some(there) = self.now.get_mut(&pending(n)) {
                    there.amount = Some(Decimal::new(*amount, 2).normalize());
                }
            }
            Change::Remove(n) => drop(self.now.remove(&pending(n))),
            Change::Post(n, amount, linked) => {
                if self.now.remove(&pending(n)).is_some() {
                    let link = pending(n);
                    self.posted.push(link.clone());
                    let id = format!("t{}", self.posted.len());
                    self.now.insert(id.clone(), facts(&id, *amount, linked.then_some(link.as_str())));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_ends_equal_to_the_ledger(rounds in changes(), size in prop_oneof![Just(7_usize), Just(60), Just(500)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let case = Case::new().await;
            let mut ledger = Ledger::default();
            for round in &rounds {
                let before = ledger.now.clone();
                for change in round {
                    ledger.apply(change);
                }
                let upserts: Vec<_> =
                    ledger.now.values().filter(|facts| before.get(facts.id.as_str()) != Some(*facts)).cloned().collect();
                let removed: Vec<TransactionId> =
                    before.keys().filter(|id| !ledger.now.contains_key(*id)).map(|id| id.parse().unwrap()).collect();
                case.script.load(&upserts, &removed, size, &HistoryStatus::Complete);
                let outcome = case.run().await;
                assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
                let stored: BTreeMap<_, _> =
                    case.stored().await.into_iter().map(|(id, (amount, _))| (id, amount)).collect();
                let expected: BTreeMap<_, _> =
                    ledger.now.iter().map(|(id, facts)| (id.clone(), facts.amount.unwrap())).collect();
                assert_eq!(stored, expected);
                // A linked posting lives where its pending transaction was seen first, if that was ever stored.
                for (id, (_, key)) in case.stored().await {
                    let link = ledger.now[&id].pending_of.as_ref().map(ToString::to_string);
                    if let Some(link) = link.filter(|link| before.contains_key(link)) {
                        assert_eq!(key, link);
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn a_history_that_posts_stored_pendings_loses_none() {
    let case = Case::new().await;
    let pending: Vec<_> = (0..3).map(|n| facts(&format!("p{n}"), n, None)).collect();
    case.script.load(&pending, &[], 500, &HistoryStatus::Complete);
    case.run().await;
    let mut history: Vec<_> = (0..120).map(|n| facts(&format!("old{n}"), n, None)).collect();
    history.extend((0..3).map(|n| facts(&format!("t{n}"), 7, Some(&format!("p{n}")))));
    let removed: Vec<TransactionId> = (0..3).map(|n| format!("p{n}").parse().unwrap()).collect();
    case.script.load(&history, &removed, 500, &HistoryStatus::Complete);
    case.run().await;
    let stored = case.stored().await;
    assert_eq!(stored.len(), 123);
    for n in 0..3 {
        assert_eq!(stored[&format!("t{n}")].1, format!("p{n}"), "it posted where it was");
    }
}

#[tokio::test]
async fn a_refused_cursor_starts_from_nothing_and_sweeps_only_a_whole_history() {
    let case = Case::new().await;
    let first: Vec<_> = (0..5).map(|n| facts(&format!("t{n}"), n, None)).collect();
    case.script.load(&first, &[], 500, &HistoryStatus::Complete);
    case.run().await;
    *case.script.refuse_cursor.lock().unwrap() = true;
    case.script.load(&[], &[], 500, &HistoryStatus::NotReady);
    case.run().await;
    assert_eq!(case.stored().await.len(), 5, "nothing is known yet, so nothing is gone");
    case.script.load(&first[..2], &[], 500, &HistoryStatus::Initial);
    case.run().await;
    assert_eq!(case.stored().await.len(), 5, "half a history cannot tell what is gone");
    case.script.load(&first[..3], &[], 500, &HistoryStatus::Complete);
    case.run().await;
    assert_eq!(case.stored().await.len(), 3);
    case.script.load(&first[3..], &[], 500, &HistoryStatus::Complete);
    case.run().await;
    assert_eq!(case.stored().await.len(), 5, "what comes back is back, and nothing is swept any more");
}

#[tokio::test]
async fn a_pending_and_its_posting_in_one_update_are_both_there_while_the_bank_has_both() {
    let case = Case::new().await;
    let both = [facts("p1", 1, None), facts("t1", 2, Some("p1")), facts("t2", 3, Some("t1"))];
    case.script.load(&both, &[], 500, &HistoryStatus::Complete);
    case.run().await;
    assert_eq!(case.stored().await.len(), 3);
    case.script.load(&[], &["p1".parse().unwrap()], 500, &HistoryStatus::Complete);
    case.run().await;
    assert_eq!(case.stored().await.len(), 2);
}

#[tokio::test]
async fn a_page_that_no_single_row_holds_is_stored_in_parts() {
    let case = Case::new().await;
    // Text that does not get smaller: 400 transactions of about 3 KB.
    let noise = |n: u64| {
        let mut text = String::new();
        let mut seed = n + 1;
        while text.len() < 3_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend([format!("{seed:x}")]);
        }
        text
    };
    let large: Vec<_> = (0..400_u64)
        .map(|n| BankFacts { detail: Some(noise(n)), ..facts(&format!("t{n}"), 1, None) })
        .collect();
    case.script.load(&large, &[], 500, &HistoryStatus::Complete);
    let outcome = case.run().await;
    assert!(matches!(outcome, Outcome::Finished { counts, .. } if counts.added == 400), "{outcome:?}");
}

#[tokio::test]
async fn pages_without_end_are_an_error_and_leave_no_stage() {
    let case = Case::new().await;
    let page = |next: &str| SyncPage {
        added: vec![facts("t1", 1, None)],
        modified: Vec::new(),
        removed: Vec::new(),
        accounts: Vec::new(),
        next_cursor: Some(next.parse().unwrap()),
        has_more: true,
        history: HistoryStatus::Complete,
        request_id: None,
        left_out: Vec::new(),
    };
    *case.script.pages.lock().unwrap() = vec![page("same"), page("same")];
    let deps = Deps { feed: case.script.clone(), ..case.world.sync() };
    let outcome = sync(&deps, &case.trigger()).await.unwrap();
    let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "the update has no end: SAME_CURSOR_AGAIN");
    let state = case.world.store.state(&case.at).await.unwrap().unwrap();
    assert!(state.stage.is_none());
    assert_eq!(state.item.failure.unwrap().code, "SAME_CURSOR_AGAIN");
}

#[tokio::test]
async fn pages_that_only_remove_are_an_update_like_any_other() {
    let case = Case::new().await;
    let all: Vec<_> = (0..60).map(|n| facts(&format!("t{n}"), n, None)).collect();
    case.script.load(&all, &[], 500, &HistoryStatus::Complete);
    case.run().await;
    let gone: Vec<_> = all[..50].iter().map(|facts| facts.id.clone()).collect();
    case.script.load(&[], &gone, 1, &HistoryStatus::Complete);
    let outcome = case.run().await;
    assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
    assert_eq!(case.stored().await.len(), 10);
}

/// An account that the page names by a new id and the list by the old one, of an item that was away for a month.
#[tokio::test]
async fn an_account_with_two_ids_waits_until_a_day_is_over() {
    let case = Case::new().await;
    case.script.load(&[facts("t1", 1, None)], &[], 500, &HistoryStatus::Complete);
    case.run().await;
    let accounts = async || case.world.store.state(&case.at).await.unwrap().unwrap().accounts;
    let before = accounts().await;
    let old = before.iter().find(|account| Some(&account.bank.id) == case.script.account.as_ref()).unwrap();
    let new = BankAccount { id: "renumbered".parse().unwrap(), ..old.bank.clone() };
    let script = Arc::new(Script { account: Some(new.id.clone()), ..Script::default() });
    script.load(&[facts("t2", 2, None)], &[], 500, &HistoryStatus::Complete);
    script.pages.lock().unwrap()[0].accounts.push(new);
    let clock = Arc::new(StandingClock::at(Timestamp::now()));
    clock.pass(Duration::from_hours(30 * 24));
    let run = async || {
        let deps = Deps { feed: script.clone(), clock: clock.clone(), ..case.world.sync() };
        sync(&deps, &case.trigger()).await.unwrap()
    };
    for _ in 0..2 {
        let Outcome::Failed(error) = run().await else { panic!("two accounts of one") };
        assert_eq!(error.code, "ACCOUNTS_CHANGING");
        assert_eq!(accounts().await.len(), before.len());
        clock.pass(Duration::from_hours(11));
        // Plaid is out of reach once, which does not make the day begin anew.
        script.failures.store(50, Ordering::SeqCst);
        let Outcome::Failed(error) = run().await else { panic!("Plaid is out of reach") };
        assert_eq!(error.code, "INTERNAL_SERVER_ERROR");
        script.failures.store(0, Ordering::SeqCst);
        clock.pass(Duration::from_hours(12));
    }
    clock.pass(Duration::from_hours(2));
    assert!(matches!(run().await, Outcome::Finished { .. }));
    assert_eq!(accounts().await.len(), before.len() + 1);
}

/// The same of an account that is new to us.
#[tokio::test]
async fn a_new_account_with_two_ids_waits() {
    let case = Case::new().await;
    let (_, token) = case.world.item("user_good", "pass_good").await;
    let listed = case.world.sync().accounts.accounts(&token).await.unwrap().accounts.swap_remove(0);
    let before = BankAccount { id: "before".parse().unwrap(), ..listed };
    let script = Arc::new(Script { account: Some(before.id.clone()), ..Script::default() });
    script.load(&[facts("t1", 1, None)], &[], 500, &HistoryStatus::Complete);
    script.pages.lock().unwrap()[0].accounts.push(before);
    let clock = Arc::new(StandingClock::at(Timestamp::now()));
    let deps = Deps { feed: script, clock, ..case.world.sync() };
    let Outcome::Failed(error) = sync(&deps, &case.trigger()).await.unwrap() else { panic!("two of one") };
    assert_eq!(error.code, "ACCOUNTS_CHANGING");
    assert!(case.world.store.state(&case.at).await.unwrap().unwrap().accounts.is_empty());
}

/// Closed accounts that look alike, which pages name and no list has.
fn closed(ids: &[&str]) -> Vec<BankAccount> {
    let bank = |id: &&str| BankAccount {
        name: "Closed".to_owned(),
        subtype: Some("checking".to_owned()),
        ..BankAccount::placeholder(id.parse().unwrap())
    };
    ids.iter().map(bank).collect()
}

/// Runs an update of two transactions of closed accounts, one transaction a page if `are_apart`, from a new link and
/// once more from nothing.
async fn assert_closed_accounts_are_live(ids: [&str; 2], are_apart: bool) {
    let case = Case::new().await;
    let clock = Arc::new(StandingClock::at(Timestamp::now()));
    let script = Arc::new(Script::default());
    let rows = ids.map(|id| BankFacts { account: id.parse().unwrap(), ..facts(&format!("t-{id}"), 1, None) });
    script.load(&rows, &[], if are_apart { 1 } else { 2 }, &HistoryStatus::Complete);
    for page in &mut *script.pages.lock().unwrap() {
        page.accounts = closed(&ids);
        page.accounts.retain(|bank| page.added.iter().any(|facts| facts.account == bank.id));
    }
    for _ in 0..2 {
        let deps = Deps { feed: script.clone(), clock: clock.clone(), ..case.world.sync() };
        let outcome = sync(&deps, &case.trigger()).await.unwrap();
        assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
        let accounts = case.world.store.state(&case.at).await.unwrap().unwrap().accounts;
        let states: Vec<_> = accounts
            .iter()
            .filter(|account| ids.contains(&account.bank.id.as_str()))
            .map(|account| (account.state, account.generation.number))
            .collect();
        assert_eq!(states, [(AccountState::Live, 0), (AccountState::Live, 0)]);
        assert_eq!(case.stored().await.len(), 2);
        // The next run reads the history from nothing, and sweeps.
        *script.refuse_cursor.lock().unwrap() = true;
    }
}

#[tokio::test]
async fn closed_accounts_on_one_page_are_live() {
    assert_closed_accounts_are_live(["c1", "c2"], false).await;
}

#[tokio::test]
async fn closed_accounts_on_two_pages_are_live() {
    assert_closed_accounts_are_live(["c1", "c2"], true).await;
}

#[tokio::test]
async fn closed_account_that_looks_like_a_listed_one_beside_it_is_live() {
    let case = Case::new().await;
    case.script.load(&[facts("t1", 1, None)], &[], 500, &HistoryStatus::Complete);
    case.run().await;
    let listed = case.world.store.state(&case.at).await.unwrap().unwrap().accounts;
    let listed = listed.into_iter().find(|a| Some(&a.bank.id) == case.script.account.as_ref()).unwrap().bank;
    let closed = BankAccount { id: "closed".parse().unwrap(), persistent_id: None, ..listed.clone() };
    let script = Arc::new(Script::default());
    let rows = [&listed, &closed]
        .map(|bank| BankFacts { account: bank.id.clone(), ..facts(&format!("t-{}", bank.id), 1, None) });
    script.load(&rows, &[], 500, &HistoryStatus::Complete);
    script.pages.lock().unwrap()[0].accounts = vec![listed, closed];
    let clock = Arc::new(StandingClock::at(Timestamp::now()));
    let deps = Deps { feed: script, clock, ..case.world.sync() };
    let outcome = sync(&deps, &case.trigger()).await.unwrap();
    assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
}
