//! Accounts that come and go, and what update mode makes of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    caller::{Caller, ids},
    server::Server,
};

const NOTHING: [Vec<String>; 3] = [Vec::new(), Vec::new(), Vec::new()];
const HOOK: &str = "http://127.0.0.1:9/plaid/webhook";

/// A link token in update mode.
fn update_mode(caller: &Caller, selects: bool) -> Value {
    let request = json!({
        "client_name": "W", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"},
        "access_token": caller.token, "update": {"account_selection_enabled": selects},
    });
    caller.ask("/link/token/create", &request)["link_token"].clone()
}

fn account_ids(caller: &Caller) -> Vec<String> {
    let answer = caller.ask("/accounts/get", &json!({"access_token": caller.token}));
    let accounts = answer["accounts"].as_array().unwrap().iter();
    accounts.map(|account| account["account_id"].as_str().unwrap().to_owned()).collect()
}

async fn unshared(caller: &Caller) -> Vec<Value> {
    let server = Server::start(caller).await;
    let accounts = server.get(&format!("/control/items/{}/accounts", caller.item)).await;
    accounts["unshared"].as_array().unwrap().clone()
}

/// The webhooks so far that are not about transactions in the old way.
async fn codes(caller: &Caller) -> Vec<String> {
    let all = Server::start(caller).await.webhooks().await;
    all.iter().map(|webhook| webhook["body"]["webhook_code"].as_str().unwrap().to_owned()).collect()
}

async fn change(caller: &Caller, change: Value) -> String {
    let server = Server::start(caller).await;
    let answer = server.post(&format!("/control/items/{}/changes", caller.item), change).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn update_mode_repairs_the_item_and_its_token_is_worth_nothing() {
    let caller = Caller::new(2);
    caller.hook(HOOK);
    caller.ask("/sandbox/item/reset_login", &json!({"access_token": caller.token}));
    let link = update_mode(&caller, false);
    let items = caller.sandbox.world().items();
    let wrong = json!({"link_token": link, "password": "error_INVALID_CREDENTIALS"});
    assert_eq!(caller.refused("/link/submit", &wrong), "INVALID_CREDENTIALS");
    assert_eq!(caller.sync("").status, 400);
    let done = caller.ask("/link/submit", &json!({"link_token": link}));
    assert_eq!(caller.sync("").status, 200);
    assert_eq!(caller.sandbox.world().items(), items);
    assert_eq!(done["metadata"]["accounts"].as_array().unwrap().len(), account_ids(&caller).len());
    let exchange = json!({"public_token": done["public_token"]});
    assert_eq!(caller.refused("/item/public_token/exchange", &exchange), "INVALID_PUBLIC_TOKEN");
    let codes = codes(&caller).await;
    assert_eq!(codes, ["WEBHOOK_UPDATE_ACKNOWLEDGED", "ERROR"], "it was not repaired elsewhere");
}

#[tokio::test]
async fn update_mode_gives_another_thirty_days_and_ends_no_consent() {
    let caller = Caller::new(0);
    caller.change(json!({"change": "expire", "at": "2026-11-21T12:00:00Z"}));
    caller.clock.pass(Duration::from_hours(24 * 29));
    assert_eq!(caller.sync("").status, 400);
    caller.ask("/link/submit", &json!({"link_token": update_mode(&caller, false)}));
    let item = caller.ask("/item/get", &json!({"access_token": caller.token}))["item"].clone();
    assert_eq!((&item["consent_expiration_time"], &item["error"]), (&Value::Null, &Value::Null));
    caller.clock.pass(Duration::from_hours(24 * 29));
    assert_eq!(caller.sync("").status, 200);
}

#[tokio::test]
async fn a_link_token_for_update_mode_lives_for_half_an_hour() {
    let caller = Caller::new(0);
    let link = json!({"link_token": update_mode(&caller, false)});
    caller.clock.pass(Duration::from_mins(29));
    caller.ask("/link/token/get", &link);
    caller.clock.pass(Duration::from_mins(1));
    assert_eq!(caller.refused("/link/token/get", &link), "INVALID_LINK_TOKEN");
    assert_eq!(caller.refused("/link/submit", &link), "INVALID_LINK_TOKEN");
}

#[tokio::test]
async fn an_account_goes_without_a_word_and_so_do_its_transactions() {
    let caller = Caller::new(30);
    caller.hook(HOOK);
    let cursor = caller.cursor();
    let all = account_ids(&caller);
    let lost = change(&caller, json!({"change": "lose_account", "account": all[0]})).await;
    assert_eq!(lost, all[0]);
    assert_eq!(account_ids(&caller), all[1..]);
    assert_eq!(caller.update(&cursor).0, NOTHING, "nothing says so");
    let shown = caller.page("")["added"].as_array().unwrap().clone();
    assert!(!shown.is_empty() && shown.iter().all(|row| row["account_id"] != json!(lost)));
    assert_eq!(caller.sandbox.world().ledger_len(&caller.item), shown.len());
    let request = json!({"access_token": caller.token, "options": {"account_ids": [lost]}});
    assert_eq!(caller.refused("/accounts/get", &request), "INVALID_ACCOUNT_ID");
    assert_eq!(codes(&caller).await, ["WEBHOOK_UPDATE_ACKNOWLEDGED"]);
}

#[tokio::test]
async fn an_account_goes_in_the_middle_of_an_update_which_starts_over() {
    let caller = Caller::new(30);
    caller.sandbox.world().set_page_size(Some(5));
    let first = caller.page("");
    caller.change(json!({"change": "lose_account"})).unwrap();
    assert_eq!(caller.sync(first["next_cursor"].as_str().unwrap()).status, 400);
}

#[tokio::test]
async fn an_account_that_was_revoked_is_granted_again_under_a_new_id() {
    let caller = Caller::new(30);
    caller.hook(HOOK);
    let before = caller.sandbox.world().ledger_len(&caller.item);
    let cursor = caller.cursor();
    let account = account_ids(&caller)[0].clone();
    let revoked =
        change(&caller, json!({"change": "lose_account", "account": account, "revoked": true})).await;
    let body = Server::start(&caller).await.webhooks().await.pop().unwrap()["body"].clone();
    assert_eq!(
        (&body["webhook_code"], &body["account_id"]),
        (&json!("USER_ACCOUNT_REVOKED"), &json!(revoked))
    );
    let link = update_mode(&caller, true);
    caller.ask("/link/submit", &json!({"link_token": link, "add": [revoked]}));
    let all = account_ids(&caller);
    assert!(all.len() == 3 && !all.contains(&revoked), "{all:?}");
    let ([added, modified, removed], _) = caller.update(&cursor);
    assert!(!added.is_empty() && modified.is_empty() && removed.is_empty());
    assert_eq!(caller.sandbox.world().ledger_len(&caller.item), before);
    assert_eq!(caller.update("").0[0].len(), before, "nothing twice");
    let codes = codes(&caller).await;
    assert_eq!(codes[2..], ["INITIAL_UPDATE", "HISTORICAL_UPDATE", "SYNC_UPDATES_AVAILABLE"]);
}

#[tokio::test]
async fn a_new_account_is_shared_when_somebody_adds_it() {
    let caller = Caller::new(3);
    caller.hook(HOOK);
    let cursor = caller.cursor();
    change(&caller, json!({"change": "open_account", "name": "Holiday", "mask": "4242"})).await;
    assert_eq!(codes(&caller).await[1..], ["NEW_ACCOUNTS_AVAILABLE"]);
    assert_eq!((account_ids(&caller).len(), caller.update(&cursor).0), (3, NOTHING));
    let unshared = unshared(&caller).await;
    assert_eq!((&unshared[0]["name"], &unshared[0]["mask"]), (&json!("Holiday"), &json!("4242")));
    let added = json!([unshared[0]["id"]]);
    let plain = json!({"link_token": update_mode(&caller, false), "add": added});
    assert_eq!(caller.refused("/link/submit", &plain), "INVALID_FIELD", "nothing can be chosen there");
    caller.ask("/link/submit", &json!({"link_token": update_mode(&caller, true), "add": added}));
    assert_eq!(account_ids(&caller).len(), 4);
    let page = caller.page(&cursor);
    let new = account_ids(&caller).pop().unwrap();
    assert_eq!(ids(&page, "added").len(), 3);
    assert!(page["added"].as_array().unwrap().iter().all(|row| row["account_id"] == json!(new)));
}

#[test]
fn a_bank_with_its_own_page_has_people_choose_each_time() {
    let caller = Caller::new(0);
    let request = json!({"institution_id": "ins_127287", "initial_products": ["transactions"]});
    let created = caller.ask("/sandbox/public_token/create", &request);
    let exchanged =
        caller.ask("/item/public_token/exchange", &json!({"public_token": created["public_token"]}));
    let caller = Caller { token: exchanged["access_token"].as_str().unwrap().to_owned(), ..caller };
    let keep = account_ids(&caller)[0].clone();
    caller.ask("/link/submit", &json!({"link_token": update_mode(&caller, false), "account_ids": [keep]}));
    assert_eq!(account_ids(&caller), [keep]);
}

#[tokio::test]
async fn accounts_that_are_not_kept_go() {
    let caller = Caller::new(9);
    let all = account_ids(&caller);
    let submit = |keep: Value| json!({"link_token": update_mode(&caller, true), "account_ids": keep});
    assert_eq!(caller.refused("/link/submit", &submit(json!(["nobody"]))), "INVALID_ACCOUNT_ID");
    assert_eq!(caller.refused("/link/submit", &submit(json!([]))), "NO_ACCOUNTS");
    let done = caller.ask("/link/submit", &submit(json!([all[1], all[2]])));
    assert_eq!(account_ids(&caller), all[1..]);
    assert_eq!(done["metadata"]["accounts"].as_array().unwrap().len(), 2);
    assert_eq!(unshared(&caller).await[0]["id"], json!(all[0]));
}
