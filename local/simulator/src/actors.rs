//! Who acts: the bank, Plaid's webhooks, people who write and people who look, and the workers.

use std::{collections::BTreeSet, future::Future, sync::atomic::Ordering, time::Duration};

use domain::{
    edit::{Change as UserChange, Edited, FieldValue, Part, Splits, TransactionEdits},
    search::{Search, TransactionSearch},
    store::{Connections, Hints, StoreError, SyncRequests},
    sync::{Cause, Edit, SyncMessage, SyncQueue},
    time::Clock,
};
use futures::{executor::LocalSpawner, task::LocalSpawnExt};
use jiff::Timestamp;
use lambda_runtime::Context;
use plaid_sandbox::Change;
use rust_decimal::Decimal;

use crate::{
    coverage::Phase,
    dice::Dice,
    moves::{self, Move},
    process::{self, Place, Point},
    scene::{Item, Scene},
    swarm::Swarm,
    tally::Fault,
};

/// Deaths in 1,000 processes, in the phase that a swarm looks at.
const FOCUSED: u32 = 600;
/// As the template has it.
const WORKER_TIMEOUT: Duration = Duration::from_secs(50);

/// Starts everybody.
pub(crate) fn start(scene: &Scene, spawner: &LocalSpawner) {
    let dice = &scene.shared.dice;
    for number in 0..scene.items.len() {
        act(scene, spawner, move |scene| bank(scene, number));
        // Without this webhook the looks for the history must do.
        if dice.in_1000(500) {
            act(scene, spawner, move |scene| history(scene, number));
        }
        for _ in 0..dice.below(3) {
            act(scene, spawner, move |scene| writer(scene, number));
        }
    }
    if dice.in_1000(300) && !scene.shared.cut.no_readers {
        act(scene, spawner, reader);
    }
    for _ in 0..2 {
        spawn(spawner, worker(scene.clone()));
    }
}

fn spawn(spawner: &LocalSpawner, future: impl Future<Output = ()> + 'static) {
    if spawner.spawn_local(future).is_err() {
        unreachable!("the pool is alive");
    }
}

/// Starts an actor that comes to an end.
fn act<F: Future<Output = ()> + 'static>(
    scene: &Scene,
    spawner: &LocalSpawner,
    actor: impl FnOnce(Scene) -> F,
) {
    let acting = scene.acting.clone();
    acting.fetch_add(1, Ordering::SeqCst);
    let actor = actor(scene.clone());
    spawn(spawner, async move {
        actor.await;
        acting.fetch_sub(1, Ordering::SeqCst);
    });
}

/// Whether and when a process is to die.
fn fate(scene: &Scene, calls: u32) -> Option<(Place, Point)> {
    let dice = &scene.shared.dice;
    let focus = scene.shared.swarm.as_ref().and_then(|swarm| swarm.focus);
    let usual = scene.shared.weather().crashes;
    let rate = if focus.is_some() && usual > 0 { usual.max(FOCUSED) } else { usual };
    if !dice.in_1000(rate) {
        return None;
    }
    let points = [Point::BeforeSend, Point::AfterEffect, Point::AfterAnswer];
    let dies = dice.one_of(&points).map(|point| (Place::Call(dice.between(0, calls)), *point));
    let dies = match (dies, focus) {
        (Some((_, point)), Some(phase)) if dice.in_1000(600) => {
            Some((Place::In(phase, dice.between(0, 1) * dice.between(0, 3)), point))
        }
        (dies, _) => dies,
    };
    dies.filter(|(_, point)| scene.shared.may(point.fault()))
}

/// How long a worker's process may run: until the function's timeout, unless its machine goes.
fn lifetime(scene: &Scene) -> Duration {
    let dice = &scene.shared.dice;
    if dice.in_1000(scene.shared.weather().crashes / 3) {
        let short = dice.within(Duration::from_secs(3));
        return if scene.shared.may(Fault::Killed) { short } else { WORKER_TIMEOUT };
    }
    WORKER_TIMEOUT
}

/// The bank's news, each followed by Plaid's webhook.
async fn bank(scene: Scene, number: usize) {
    let Some(item) = scene.items.get(number) else { return };
    let dice = &scene.shared.dice;
    ask(&scene, item, true).await;
    let rounds = scene.shared.swarm.as_ref().map_or(4, |swarm| swarm.rounds);
    for _ in 0..=dice.below(rounds) {
        scene.shared.time.wait(dice.within(Duration::from_secs(40))).await;
        for _ in 0..=dice.below(4) {
            change(&scene, item);
        }
        ask(&scene, item, false).await;
    }
}

/// The webhook that says that all of the history is there.
async fn history(scene: Scene, number: usize) {
    let Some(item) = scene.items.get(number) else { return };
    scene.shared.time.wait(scene.history_after).await;
    ask(&scene, item, false).await;
}

/// One change of the bank's.
fn change(scene: &Scene, item: &Item) {
    let Scene { shared, plaid, .. } = scene;
    let (which, change, fault) = draw(&shared.dice, shared.swarm.as_deref());
    let place = scene.moves.fetch_add(1, Ordering::SeqCst);
    if shared.cut.moves.contains(&place) {
        return;
    }
    let accounts = || plaid.sandbox.world().account_ids(&item.plaid_id);
    let before = accounts();
    let is_done = plaid.sandbox.world().change(&item.plaid_id, &change).is_some();
    if is_done {
        scene.lineage().note(which, before, &accounts());
        if let Some(fault) = fault {
            shared.tally.hit(fault);
        }
        shared.recent.add(item.at.item.as_str(), which);
        shared.trace.line(&shared.time, || format!("bank: {change:?} (m{place})"));
    }
}

fn draw(dice: &Dice, swarm: Option<&Swarm>) -> (Move, Change, Option<Fault>) {
    let amount = Some(Decimal::from(dice.between(1, 3)));
    let name = moves::name(dice);
    let which = match swarm {
        Some(swarm) => swarm.draw(dice),
        None => match Move::plain(dice) {
            Some(which) => which,
            None => {
                let (which, posting, fault) = moves::plain_posting(dice);
                return (which, Change::Post(posting), Some(fault));
            }
        },
    };
    let (change, fault) = which.change(dice, amount, name, swarm.is_some());
    (which, change, fault)
}

/// A trigger, by somebody who tries until it is taken: Plaid sends a webhook again that was not answered.
pub(crate) async fn ask(scene: &Scene, item: &Item, is_first: bool) {
    loop {
        let number = async {
            if is_first {
                return scene.queue.send(&SyncMessage::first(item.at.clone(), 1), Duration::ZERO).await.ok();
            }
            // The night lists accounts each time.
            let focus = scene.shared.swarm.as_ref().and_then(|swarm| swarm.focus);
            if focus == Some(Phase::Accounts) && scene.shared.dice.in_1000(500) {
                let message = SyncMessage::unnumbered(item.at.clone(), Cause::Night);
                return scene.queue.send(&message, Duration::ZERO).await.ok();
            }
            // A person who comes back from Link has all accounts looked at.
            let is_person = scene.shared.swarm.is_some() && scene.shared.dice.in_1000(200);
            let wanted = if is_person {
                scene.store.want_look(&item.at).await
            } else {
                scene.store.want_sync(&item.at).await
            };
            let number = wanted.ok().flatten()?.number;
            let cause = if is_person { Cause::Person } else { Cause::Webhook };
            let message = SyncMessage::numbered(item.at.clone(), number, cause);
            scene.queue.send(&message, Duration::ZERO).await.ok()?;
            item.asked.fetch_max(usize::try_from(number).unwrap_or_default(), Ordering::SeqCst);
            Some(())
        };
        let (_, run) = process::start(number, fate(scene, 2), &scene.shared.tally, None);
        if let Ok(Some(())) = run.await {
            return;
        }
        scene.shared.time.wait(scene.shared.dice.within(Duration::from_secs(30))).await;
    }
}

/// Somebody who writes on transactions, without caring whether a sync is under way.
async fn writer(scene: Scene, number: usize) {
    let Some(item) = scene.items.get(number) else { return };
    let Scene { shared, .. } = &scene;
    for _ in 0..=shared.dice.below(4) {
        shared.time.wait(shared.dice.within(Duration::from_secs(40))).await;
        let ids: Vec<_> = scene.seen(item).into_keys().collect();
        let Some(id) = shared.dice.one_of(&ids).and_then(|id| id.parse().ok()) else { continue };
        let note = format!("note {}", shared.dice.between(0, u32::MAX));
        let (change, fate) = (user_change(&scene, &note), fate(&scene, 3));
        if shared.cut.edits.contains(&scene.edits.fetch_add(1, Ordering::SeqCst)) {
            continue;
        }
        let edit = async { scene.store.edit(&item.at, &id, &change, None).await };
        let (_, run) = process::start(edit, fate, &shared.tally, None);
        let outcome = run.await;
        shared.trace.line(&shared.time, || format!("person: {note} on {id:.5} {outcome:?}"));
        match outcome {
            Ok(Ok(Edited::Done { key, half, .. })) => item.edits().add(key, half),
            Ok(Ok(Edited::NotFound | Edited::TooMuch | Edited::Stale(_))) => {}
            Ok(Err(_)) | Err(_) => item.edits().maybe.push(note),
        }
    }
}

fn user_change(scene: &Scene, note: &str) -> UserChange {
    let dice = &scene.shared.dice;
    let mut change = UserChange { note: note.parse().map_or(Edit::Keep, Edit::Set), ..UserChange::default() };
    if dice.in_1000(300) {
        change.category = "FOOD".parse().map_or(Edit::Keep, Edit::Set);
    }
    if dice.in_1000(300) {
        change.tags = "trip".parse().map_or(Edit::Keep, |tag| Edit::Set(BTreeSet::from([tag])));
    }
    if let Ok(name) = "for".parse()
        && dice.in_1000(300)
    {
        change.fields.insert(name, Edit::Set(FieldValue::Flag(dice.in_1000(500))));
    }
    if dice.in_1000(200) {
        change.hidden = Some(dice.in_1000(500));
    }
    if dice.in_1000(200) {
        change.splits = halves(Decimal::from(dice.between(1, 100))).map_or(Edit::Clear, Edit::Set);
    }
    change
}

/// A transaction in two, which the bank's amount need not agree with: it may have changed a moment ago.
fn halves(each: Decimal) -> Option<Splits> {
    let part = || Part { amount: each, category: None, note: None };
    Splits::new(each.checked_add(each)?, vec![part(), part()]).ok()
}

/// Somebody who looks at lists, which may be old but never wrong in themselves.
async fn reader(scene: Scene) {
    let Scene { shared, store, household, .. } = &scene;
    for _ in 0..2 + shared.dice.below(4) {
        shared.time.wait(shared.dice.within(Duration::from_secs(30))).await;
        let looks = async {
            let households = vec![household.clone()];
            store.connections(household).await?;
            let scope = store.scope(&households).await?;
            let page = store.find(&Search::everything(50), &scope).await?;
            let ids: BTreeSet<_> =
                page.transactions.iter().map(|listed| (&listed.item, &listed.id)).collect();
            assert!(ids.len() == page.transactions.len(), "listed twice on one page");
            Ok::<_, StoreError>(())
        };
        match looks.await {
            Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Busy) => {}
            Err(error) => unreachable!("a list failed: {error}"),
        }
    }
}

/// A worker: one process after the other, each with a batch.
async fn worker(scene: Scene) {
    let Scene { shared, queue, .. } = &scene;
    while !scene.is_over.load(Ordering::SeqCst) {
        let Some((event, ids)) = queue.receive(1 + shared.dice.below(3)) else {
            idle(&scene).await;
            continue;
        };
        let deps = scene.worker();
        let mut context = Context::default();
        let deadline = shared.time.now().checked_add(WORKER_TIMEOUT).unwrap_or(Timestamp::MAX);
        context.deadline = u64::try_from(deadline.as_millisecond()).unwrap_or_default();
        let work = edge::batch::respond(&deps, queue, &sync_item::handle, event, &context);
        let recent = Some(shared.recent.clone());
        let (process, run) = process::start(work, fate(&scene, 40), &shared.tally, recent);
        let (watched, tally) = (process.clone(), shared.tally.clone());
        shared.time.later(lifetime(&scene), move || {
            if !watched.is_dead() {
                tally.hit(Fault::Killed);
                watched.meet(Fault::Killed);
                watched.kill();
            }
        });
        let outcome = run.await;
        process.kill();
        let Ok(response) = outcome else {
            shared.trace.line(&shared.time, || "a worker died".to_owned());
            continue;
        };
        let failed: Vec<_> =
            response.batch_item_failures.iter().map(|item| item.item_identifier.clone()).collect();
        for id in ids {
            if !failed.contains(&id.to_string()) {
                queue.delete(id);
            }
        }
    }
}

/// Waits until something may be visible.
async fn idle(scene: &Scene) {
    let Scene { shared, queue, .. } = scene;
    let look = Duration::from_millis(if scene.is_quiet() { 5_000 } else { 500 });
    let next = queue.next_visible_ms().unwrap_or_default().saturating_sub(shared.time.now_ms());
    let until = Duration::from_millis(next.max(1));
    shared.time.wait(if scene.is_quiet() { until.max(look) } else { look }).await;
}
