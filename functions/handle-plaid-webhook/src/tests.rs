//! What each webhook leads to.

use domain::{
    ids::{ItemRef, fingerprint},
    item::HealthState,
    removal::RemovalStarts,
    store::{Connections, LinkSession, LinkSessions},
    sync::{Cause, SyncReads},
};
use edge::batch::{Message, Verdict};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{FakeConfirmedKeys, Fault, World, acting};

use super::*;

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        plaid_items: world.store.clone(),
        connections: world.store.clone(),
        requests: world.store.clone(),
        hints: world.store.clone(),
        sessions: world.store.clone(),
        records: world.store.clone(),
        queue: world.queue.clone(),
        confirmer: KeyConfirmer::new(Arc::new(FakeConfirmedKeys::default())),
        link: world.link(),
    }
}

async fn receive_at(world: &World, body: &Value, received_at: Timestamp) -> Verdict {
    let content = ReceivedWebhook { body: body.to_string(), received_at, kid: None };
    acting!(handle(&deps(world), Message { content, deadline: Timestamp::MAX })).await
}

async fn receive(world: &World, body: &Value) -> Verdict {
    receive_at(world, body, Timestamp::now()).await
}

/// A synced item, and Plaid's id of it.
async fn synced(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    (at, world.sandbox.world().item_ids().pop().unwrap())
}

fn webhook(kind: &str, code: &str, item: &str) -> Value {
    json!({"webhook_type": kind, "webhook_code": code, "item_id": item, "environment": "sandbox"})
}

#[tokio::test]
async fn updates_ask_for_a_sync_each_with_its_number() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let updates = webhook("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", &plaid_item);
    for _ in 0..3 {
        assert_eq!(receive(&world, &updates).await, Verdict::Done);
    }
    let sent = world.queue.take();
    let wants: Vec<_> = sent.iter().map(|(message, _)| message.want).collect();
    assert_eq!(wants, [Some(2), Some(3), Some(4)]);
    assert!(sent.iter().all(|(message, delay)| message.cause == Cause::Webhook && *delay == GATHER));
    // One run covers all three.
    world.run(&at, Cause::Webhook).await;
    assert_eq!(world.store.state(&at).await.unwrap().unwrap().item.done, 4);
}

#[tokio::test]
async fn the_old_words_ask_for_nothing_that_has_come() {
    let world = World::new().await;
    let (_, plaid_item) = synced(&world).await;
    for code in ["INITIAL_UPDATE", "HISTORICAL_UPDATE", "DEFAULT_UPDATE", "TRANSACTIONS_REMOVED"] {
        assert_eq!(receive(&world, &webhook("TRANSACTIONS", code, &plaid_item)).await, Verdict::Done);
        assert_eq!(world.queue.take().len(), 0, "{code}");
    }
    // Long after the last sync it is news, whatever became of the webhook beside it; once.
    let later = Timestamp::now() + std::time::Duration::from_hours(1);
    let update = webhook("TRANSACTIONS", "DEFAULT_UPDATE", &plaid_item);
    assert_eq!(receive_at(&world, &update, later).await, Verdict::Done);
    assert_eq!(receive_at(&world, &update, later).await, Verdict::Done);
    assert_eq!(world.queue.take().len(), 1);
}

#[tokio::test]
async fn an_item_that_was_never_synced_is_kicked_by_any_word_once_its_first_sync_is_over() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let update = webhook("TRANSACTIONS", "INITIAL_UPDATE", &plaid_item);
    assert_eq!(receive(&world, &update).await, Verdict::Done);
    assert_eq!(world.queue.take().len(), 0, "the first sync is on its way");
    let fault = json!({"path": "/transactions/sync", "times": 1, "error_code": "INSTITUTION_DOWN"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    world.run(&at, Cause::Link).await;
    assert_eq!(receive(&world, &update).await, Verdict::Done);
    assert_eq!(world.queue.take().len(), 1, "it failed");
}

#[tokio::test]
async fn what_has_changed_is_looked_at() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    for code in ["ERROR", "LOGIN_REPAIRED", "USER_PERMISSION_REVOKED", "USER_ACCOUNT_REVOKED"] {
        assert_eq!(receive(&world, &webhook("ITEM", code, &plaid_item)).await, Verdict::Done);
        assert_eq!(world.queue.take().len(), 1, "{code}");
        assert!(!world.store.state(&at).await.unwrap().unwrap().accounts_known, "{code}");
        world.sandbox.world().take_calls();
        world.run(&at, Cause::Webhook).await;
        assert!(world.sandbox.world().take_calls().contains_key("/accounts/get"), "{code}");
        assert!(world.store.state(&at).await.unwrap().unwrap().accounts_known, "{code}");
    }
    let health = world.store.state(&at).await.unwrap().unwrap().item.health;
    assert_eq!(health.state, HealthState::Healthy, "Plaid says that it works, and Plaid is what counts");
}

#[tokio::test]
async fn an_end_that_is_announced_is_no_end_yet() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let mut ends = webhook("ITEM", "PENDING_DISCONNECT", &plaid_item);
    ends["disconnect_time"] = json!("2099-12-01T00:00:00Z");
    for _ in 0..2 {
        assert_eq!(receive(&world, &ends).await, Verdict::Done);
    }
    assert_eq!(
        world.queue.take().len(),
        2,
        "until a sync has told of it, nobody knows whether one was asked for"
    );
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!(state.item.health.state, HealthState::Expiring);
    assert!(state.item.health.is_active());
    world.run(&at, Cause::Webhook).await;
    assert_eq!(world.aws.announced().last().map(String::as_str), Some("Item Needs Attention"));
    assert_eq!(receive(&world, &ends).await, Verdict::Done);
    assert_eq!(world.queue.take().len(), 0, "said again, it is no news");
    assert_eq!(receive(&world, &webhook("ITEM", "NEW_ACCOUNTS_AVAILABLE", &plaid_item)).await, Verdict::Done);
    assert!(world.store.state(&at).await.unwrap().unwrap().item.new_accounts);
}

#[tokio::test]
async fn what_nobody_knows_is_harmless() {
    let world = World::new().await;
    let (_, plaid_item) = synced(&world).await;
    for body in [
        webhook("ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED", &plaid_item),
        webhook("TRANSACTIONS", "RECURRING_TRANSACTIONS_UPDATE", &plaid_item),
        webhook("BRAND_NEW", "BRAND_NEW", &plaid_item),
        json!({"webhook_type": ["ITEM"], "webhook_code": 7, "item_id": plaid_item}),
        json!({}),
        json!([]),
    ] {
        assert_eq!(receive(&world, &body).await, Verdict::Done, "{body}");
    }
}

#[tokio::test]
async fn one_that_comes_before_its_item_comes_again_and_one_after_it_is_ignored() {
    let world = World::new().await;
    let updates = |item: &str| webhook("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", item);
    assert!(matches!(receive(&world, &updates("unknown")).await, Verdict::Retry(_)));
    let hour_ago = Timestamp::now() - std::time::Duration::from_hours(1);
    assert!(matches!(receive_at(&world, &updates("unknown"), hour_ago).await, Verdict::Park(_)));
    // Once is enough for somebody to look.
    assert_eq!(receive_at(&world, &updates("unknown"), hour_ago).await, Verdict::Done);
    assert!(matches!(receive_at(&world, &updates("another"), hour_ago).await, Verdict::Park(_)));
    let (at, plaid_item) = synced(&world).await;
    world.store.remove_item(&at, false, Timestamp::now()).await.unwrap();
    assert_eq!(receive(&world, &updates(&plaid_item)).await, Verdict::Done);
    world.bury(&at).await;
    assert_eq!(receive(&world, &updates(&plaid_item)).await, Verdict::Done);
    assert_eq!(receive(&world, &webhook("ITEM", "ERROR", &plaid_item)).await, Verdict::Done);
}

#[tokio::test]
async fn what_fails_comes_again() {
    let world = World::new().await;
    let (_, plaid_item) = synced(&world).await;
    for call in ["GetItem", "UpdateItem"] {
        world.aws.fault(call, 0, 9, Fault::Refuse);
        let updates = webhook("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", &plaid_item);
        assert!(matches!(receive(&world, &updates).await, Verdict::Retry(_)), "{call}");
        world.aws.heal();
    }
}

async fn open_link(world: &World, user: &str, item: Option<&ItemRef>) {
    let session = LinkSession {
        token_hash: fingerprint("link-1"),
        household: world.household.clone(),
        user: user.parse().unwrap(),
        item: item.map(|at| at.item.clone()),
        is_hosted: true,
        began: Timestamp::now(),
    };
    world.store.remember(&session).await.unwrap();
}

fn finished(tokens: &[&str], status: &str) -> Value {
    json!({
        "webhook_type": "LINK", "webhook_code": "SESSION_FINISHED", "status": status, "link_session_id": "s",
        "link_token": "link-1", "public_tokens": tokens, "environment": "sandbox",
    })
}

#[tokio::test]
async fn a_hosted_link_becomes_a_connection_of_whoever_opened_it() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    // Nobody has opened it here.
    assert_eq!(receive(&world, &finished(&[&token], "SUCCESS")).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
    open_link(&world, "alice", None).await;
    assert_eq!(receive(&world, &finished(&[&token], "EXITED")).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
    let added = json!({
        "webhook_type": "LINK", "webhook_code": "ITEM_ADD_RESULT", "link_token": "link-1", "public_token": token,
    });
    for body in [&added, &finished(&[&token], "success"), &added] {
        assert_eq!(receive(&world, body).await, Verdict::Done);
    }
    let [connection] = world.store.connections(&world.household).await.unwrap().try_into().unwrap();
    assert_eq!((connection.item.user.as_str(), connection.accounts.len()), ("alice", 3));
    assert_eq!(world.sandbox.world().items(), 1);
    world.queue.take();
}

#[tokio::test]
async fn who_may_not_connect_any_more_connects_nothing() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    for user in ["carol", "bob"] {
        open_link(&world, user, None).await;
        assert_eq!(receive(&world, &finished(&[&token], "SUCCESS")).await, Verdict::Done);
    }
    assert_eq!(world.sandbox.world().items(), 0);
}

#[tokio::test]
async fn a_hosted_repair_is_looked_at_and_exchanges_nothing() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    open_link(&world, "alice", Some(&at)).await;
    assert_eq!(receive(&world, &finished(&["public-sandbox-x"], "SUCCESS")).await, Verdict::Done);
    let [(message, _)] = world.queue.take().try_into().unwrap();
    assert_eq!((message.at.clone(), message.want), (at.clone(), Some(2)));
    assert!(!world.store.state(&at).await.unwrap().unwrap().accounts_known);
}

#[tokio::test]
async fn webhooks_that_come_thick_wait_for_each_other() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let updates = webhook("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", &plaid_item);
    for run in 0..6 {
        assert_eq!(receive(&world, &updates).await, Verdict::Done);
        let [(_, delay)] = world.queue.take().try_into().unwrap();
        if run < 3 {
            assert_eq!(delay, GATHER, "some may come at once");
        } else {
            assert!(delay <= PACE, "{run}: nobody waits for longer than one pace: {delay:?}");
            assert!(run == 3 || delay > PACE / 2, "{run}: {delay:?}");
        }
        world.run(&at, Cause::Webhook).await;
    }
}

#[tokio::test]
async fn what_a_later_sync_has_brought_asks_for_nothing() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let minute_ago = Timestamp::now() - std::time::Duration::from_mins(1);
    for code in ["SYNC_UPDATES_AVAILABLE", "DEFAULT_UPDATE"] {
        let waited = webhook("TRANSACTIONS", code, &plaid_item);
        assert_eq!(receive_at(&world, &waited, minute_ago).await, Verdict::Done);
    }
    assert_eq!(world.queue.take().len(), 0, "a run has begun since");
    assert_eq!(world.store.state(&at).await.unwrap().unwrap().item.want, 1);
}

#[tokio::test]
async fn key_of_a_webhook_is_confirmed() {
    use domain::webhook::{ConfirmedKeys, KeyId};
    let world = World::new().await;
    let names = std::sync::Arc::new(FakeConfirmedKeys::default());
    let deps = Deps { confirmer: KeyConfirmer::new(names.clone()), ..deps(&world) };
    let kid: KeyId = "bfbd5111-8e33-4643-8ced-b2e642a72f3c".parse().unwrap();
    for _ in 0..2 {
        let body = webhook("TRANSACTIONS", "SOMETHING", "unknown").to_string();
        let content = ReceivedWebhook { body, received_at: Timestamp::now(), kid: Some(kid.clone()) };
        acting!(handle(&deps, Message { content, deadline: Timestamp::MAX })).await;
    }
    assert_eq!(names.confirmed().await.unwrap(), [kid]);
}
