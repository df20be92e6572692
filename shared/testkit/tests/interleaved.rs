//! What happens between two calls of one run: news of the bank, other runs, an allowance that is used up.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    account::AccountState,
    bank::{BankError, Meaning, SyncPage, TransactionFeed},
    ids::{Cursor, ItemRef},
    item::HealthState,
    secret::AccessToken,
    store::{StoreError, SyncRequests},
    sync::{
        Budgets, Cause, Commit, CommitError, Deps, Outcome, PageFacts, SyncReads, SyncWrites, Trigger, sync,
    },
};
use jiff::Timestamp;
use plaid_sandbox::{Change, Fault, Mangle, Sandbox};
use testkit::World;
use tokio::sync::Notify;

const SYNC: &str = "/transactions/sync";

async fn run(deps: &Deps, at: &ItemRef, cause: Cause) -> Outcome {
    run_numbered(deps, at, cause, None).await
}

async fn run_numbered(deps: &Deps, at: &ItemRef, cause: Cause, want: Option<u64>) -> Outcome {
    let trigger = Trigger { at: at.clone(), want, cause, deadline: Timestamp::MAX, fresh_within: None };
    sync(deps, &trigger).await.unwrap()
}

async fn want_sync(world: &World, at: &ItemRef) -> Option<u64> {
    Some(world.store.want_sync(at).await.unwrap().unwrap().number)
}

/// An item that is up to date, and its id at Plaid.
async fn synced(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "40").await;
    assert!(matches!(world.run(&at, Cause::Link).await, Outcome::Finished { .. }));
    (at, world.sandbox.world().item_ids().remove(0))
}

fn change(world: &World, plaid_item: &str, change: &Change) {
    world.sandbox.world().change(plaid_item, change).unwrap();
}

fn add() -> Change {
    Change::Add { pending: false, amount: None, name: None, date: None, authorized_date: None, account: None }
}

async fn assert_equal_to_ledger(world: &World, at: &ItemRef, plaid_item: &str) {
    let rows = world.store.live_rows(at, None).await.unwrap().rows;
    let stored: BTreeSet<_> = rows.into_iter().map(|row| row.carries.unwrap().to_string()).collect();
    let ledger: BTreeSet<_> = world.sandbox.world().ledger(plaid_item).into_iter().map(|t| t.id).collect();
    assert_eq!(stored, ledger);
}

/// The sandbox, whose bank gives its accounts new ids before the second page.
struct Renumbering {
    feed: Arc<dyn TransactionFeed>,
    sandbox: Sandbox,
    plaid_item: String,
    pages: AtomicU32,
}

#[async_trait]
impl TransactionFeed for Renumbering {
    async fn page(&self, token: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        if self.pages.fetch_add(1, Ordering::SeqCst) == 1 {
            for news in [Change::RenumberAccounts, add()] {
                self.sandbox.world().change(&self.plaid_item, &news).unwrap();
            }
        }
        self.feed.page(token, cursor).await
    }
}

#[tokio::test]
async fn accounts_renumbered_between_two_pages_continue() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let ids = async || {
        let accounts = world.store.state(&at).await.unwrap().unwrap().accounts;
        assert!(accounts.iter().all(|account| account.state == AccountState::Live));
        accounts.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    let before = ids().await;
    // The night lists all accounts beside the first page, which says nothing and promises another one.
    let endless =
        Fault { path: SYNC.to_owned(), times: 1, mangle: Some(Mangle::Endless), ..Fault::default() };
    world.sandbox.world().add_fault(endless);
    let feed = Renumbering {
        feed: world.plaid.clone(),
        sandbox: world.sandbox.clone(),
        plaid_item: plaid_item.clone(),
        pages: AtomicU32::new(0),
    };
    let outcome = run(&Deps { feed: Arc::new(feed), ..world.sync() }, &at, Cause::Night).await;
    assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
    assert_eq!(ids().await, before);
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}

/// A feed that says when it was asked, and answers when it may.
struct Held {
    feed: Arc<dyn TransactionFeed>,
    is_refused: bool,
    asked: Notify,
    may_answer: Notify,
}

impl Held {
    fn new(world: &World, is_refused: bool) -> Arc<Self> {
        let (asked, may_answer) = (Notify::new(), Notify::new());
        Arc::new(Self { feed: world.plaid.clone(), is_refused, asked, may_answer })
    }
}

#[async_trait]
impl TransactionFeed for Held {
    async fn page(&self, token: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        self.asked.notify_one();
        self.may_answer.notified().await;
        if self.is_refused {
            return Err(BankError::new(Meaning::NeedsUser, "ITEM_LOGIN_REQUIRED"));
        }
        self.feed.page(token, cursor).await
    }
}

/// Writes that stop after the first page of a stage, until they may go on, and let a refused run have its answer.
struct Staged {
    writes: Arc<dyn SyncWrites>,
    refused: Arc<Held>,
    may_go_on: Notify,
}

#[async_trait]
impl SyncWrites for Staged {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.writes.commit(commit).await?;
        if commit.page.is_some() {
            self.refused.may_answer.notify_one();
            self.may_go_on.notified().await;
        }
        Ok(())
    }

    async fn stage_page(&self, at: &ItemRef, run: u64, page: u32) -> Result<Option<PageFacts>, StoreError> {
        self.writes.stage_page(at, run, page).await
    }

    async fn drop_pages(&self, at: &ItemRef, run: u64, pages: u32) -> Result<(), StoreError> {
        self.writes.drop_pages(at, run, pages).await
    }
}

/// Runs two syncs beside each other: the older one has read the number before the newer one's, and the bank refuses the
/// newer one. The refusal comes after the older one's end, or before it while its update is in a stage.
async fn assert_newer_request_fails(is_staged: bool, needs_login: bool) {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    if needs_login {
        let refused = Held::new(&world, true);
        refused.may_answer.notify_one();
        let outcome = run(&Deps { feed: refused, ..world.sync() }, &at, Cause::Webhook).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    }
    change(&world, &plaid_item, &add());
    let older_number = want_sync(&world, &at).await;
    let (older, newer) = (Held::new(&world, false), Held::new(&world, true));
    let sync = world.sync();
    let writes = Staged { writes: sync.writes.clone(), refused: newer.clone(), may_go_on: Notify::new() };
    let writes = Arc::new(writes);
    let new_deps = Deps { feed: newer.clone(), ..sync.clone() };
    let mut old_deps = Deps { feed: older.clone(), writes: writes.clone(), ..sync };
    if is_staged {
        old_deps.limits.small = 0;
    }
    let old_run = async {
        let outcome = run_numbered(&old_deps, &at, Cause::Webhook, older_number).await;
        newer.may_answer.notify_one();
        outcome
    };
    let new_run = async {
        older.asked.notified().await;
        let number = want_sync(&world, &at).await;
        let outcome = run_numbered(&new_deps, &at, Cause::Webhook, number).await;
        writes.may_go_on.notify_one();
        outcome
    };
    let both_asked = async {
        newer.asked.notified().await;
        older.may_answer.notify_one();
    };
    let all = async { tokio::join!(old_run, new_run, both_asked) };
    let (old, new, ()) = tokio::time::timeout(Duration::from_mins(1), Box::pin(all)).await.unwrap();
    assert!(matches!((&old, &new), (Outcome::Finished { .. }, Outcome::Failed(_))), "{old:?}, {new:?}");
    let item = world.store.state(&at).await.unwrap().unwrap().item;
    assert!(item.done < item.want, "the older run covers less");
    let failure = item.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.want), ("ITEM_LOGIN_REQUIRED", item.want));
    assert_eq!(item.health.state, HealthState::NeedsLogin);
}

#[tokio::test]
async fn refusal_after_end_of_older_run_is_recorded() {
    assert_newer_request_fails(false, false).await;
}

#[tokio::test]
async fn refusal_before_end_of_older_run_stays() {
    assert_newer_request_fails(true, false).await;
}

#[tokio::test]
async fn refusal_of_item_without_login_before_end_of_older_run_stays() {
    assert_newer_request_fails(true, true).await;
}

#[tokio::test]
async fn failed_page_without_allowance_keeps_the_pages() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    world.sandbox.world().set_page_size(Some(2));
    (0..10).for_each(|_| change(&world, &plaid_item, &add()));
    let failing = Fault {
        path: SYNC.to_owned(),
        after: 2,
        times: 1,
        error_code: Some("INTERNAL_SERVER_ERROR".to_owned()),
        ..Fault::default()
    };
    world.sandbox.world().add_fault(failing);
    // Three calls at once: the third fails, and there is none for another try.
    let deps = Deps { budgets: Arc::new(Budgets::new(1_000, 6)), ..world.sync() };
    let outcome = run(&deps, &at, Cause::Webhook).await;
    assert!(matches!(outcome, Outcome::HandOver(_)), "{outcome:?}");
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!((state.stage.map(|stage| stage.pages), state.item.failure), (Some(2), None));
    world.sandbox.world().take_calls();
    assert!(matches!(world.run(&at, Cause::Webhook).await, Outcome::Finished { .. }));
    assert_eq!(world.sandbox.world().calls_of(SYNC), 3, "the other three pages");
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}
