//! Items, their accounts and their institutions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Call, TokenRequest, ok};
use crate::{
    errors::PlaidError,
    item::History,
    webhooks::Notice,
    wire::{self, WireAccount},
    world::OAUTH,
};

pub(super) fn item_view(call: &mut Call<'_>, access_token: &str) -> Result<Value, PlaidError> {
    let institutions = call.world.institutions.clone();
    let item = call.item(access_token)?;
    let name =
        institutions.iter().find(|i| i.institution_id == item.institution_id).map_or("", |i| i.name.as_str());
    Ok(wire::item(item, name))
}

pub(super) fn item_get(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let mut item = item_view(call, &request.access_token)?;
    let now = call.now;
    let (created_at, is_ready, last_webhook) = {
        let stored = call.item(&request.access_token)?;
        (stored.created_at, stored.history > History::NotReady, stored.last_webhook.clone())
    };
    if let Some(fields) = item.as_object_mut() {
        fields.insert("created_at".to_owned(), json!(created_at));
        fields.insert("consented_use_cases".to_owned(), json!([]));
        fields.insert("consented_data_scopes".to_owned(), json!([]));
    }
    let last_update = is_ready.then_some(now);
    ok(json!({
        "item": item,
        "status": {
            "transactions": {"last_successful_update": last_update, "last_failed_update": null},
            "last_webhook": last_webhook.map(|(at, code)| json!({"sent_at": at, "code_sent": code})),
        },
    }))
}

pub(super) fn item_remove(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    call.item(&request.access_token)?;
    call.world.remove(&request.access_token);
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsRequest {
    access_token: String,
    #[serde(default)]
    options: AccountsOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AccountsOptions {
    account_ids: Option<Vec<String>>,
    #[serde(rename = "min_last_updated_datetime")]
    _min_last_updated_datetime: Option<String>,
}

#[derive(Serialize)]
struct AccountsAnswer {
    accounts: Vec<WireAccount>,
    item: Value,
}

pub(super) fn accounts_get(call: &mut Call<'_>, request: &AccountsRequest) -> Answer {
    let view = item_view(call, &request.access_token)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    let wanted = request.options.account_ids.as_ref();
    if let Some(missing) =
        wanted.into_iter().flatten().find(|id| item.accounts.iter().all(|a| a.account_id != **id))
    {
        return Err(PlaidError::input("INVALID_ACCOUNT_ID", &format!("no account {missing} in this item")));
    }
    let shown = item.accounts.iter().filter(|a| wanted.is_none_or(|ids| ids.contains(&a.account_id)));
    ok(AccountsAnswer { accounts: shown.map(wire::account).collect(), item: view })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstitutionRequest {
    institution_id: String,
    #[serde(rename = "country_codes")]
    _country_codes: Vec<String>,
    #[serde(rename = "options")]
    _options: Option<Value>,
}

fn institution_view(institution: &crate::world::Institution) -> Value {
    json!({
        "institution_id": institution.institution_id,
        "name": institution.name,
        "products": ["auth", "balance", "identity", "transactions"],
        "country_codes": ["US"],
        "url": null,
        "primary_color": null,
        "logo": null,
        "routing_numbers": [],
        "dtc_numbers": [],
        "oauth": institution.institution_id == OAUTH,
    })
}

pub(super) fn institution_get(call: &mut Call<'_>, request: &InstitutionRequest) -> Answer {
    let institution = call.world.institution(&request.institution_id)?;
    ok(json!({"institution": institution_view(institution)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstitutionsRequest {
    count: usize,
    offset: usize,
    #[serde(rename = "country_codes")]
    _country_codes: Vec<String>,
}

pub(super) fn institutions_get(call: &mut Call<'_>, request: &InstitutionsRequest) -> Answer {
    let all = &call.world.institutions;
    let shown: Vec<_> = all.iter().skip(request.offset).take(request.count).map(institution_view).collect();
    ok(json!({"institutions": shown, "total": all.len()}))
}

pub(super) fn reset_login(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let item = call.item(&request.access_token)?;
    item.login_required = true;
    let item_id = item.item_id.clone();
    call.world.tell(&item_id, |item| vec![Notice::error(item.usable().err().as_ref())]);
    ok(json!({"reset_login": true}))
}

pub(super) fn invalidate(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    call.item(&request.access_token)?;
    let token = call.world.rotate(&request.access_token);
    ok(json!({"new_access_token": token}))
}
