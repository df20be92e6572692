//! Webhooks: where they go, the keys they are signed with, and those that are fired by hand.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Call, item::item_view, ok};
use crate::{errors::PlaidError, webhooks::Notice};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookUpdate {
    access_token: String,
    webhook: Option<String>,
}

pub(super) fn webhook_update(call: &mut Call<'_>, request: &WebhookUpdate) -> Answer {
    let item = call.item(&request.access_token)?;
    if request.webhook.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        return Err(PlaidError::request("INVALID_FIELD", "webhook must be an http or https URL"));
    }
    item.webhook.clone_from(&request.webhook);
    let item_id = item.item_id.clone();
    let body = json!({"new_webhook_url": request.webhook, "error": null});
    call.world.tell(&item_id, |_| vec![Notice::item("WEBHOOK_UPDATE_ACKNOWLEDGED", body)]);
    let item = item_view(call, &request.access_token)?;
    ok(json!({"item": item}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    key_id: String,
}

pub(super) fn key_get(call: &mut Call<'_>, request: &KeyRequest) -> Answer {
    let key = call.world.outbox.keys.get(&request.key_id).ok_or_else(|| {
        PlaidError::input(
            "INVALID_WEBHOOK_VERIFICATION_KEY_ID",
            "invalid webhook verification key_id provided",
        )
    })?;
    ok(json!({"key": key.view()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FireWebhook {
    access_token: String,
    webhook_code: String,
    webhook_type: Option<String>,
}

/// Sends a webhook and changes nothing: that it says so does not make it so.
pub(super) fn fire_webhook(call: &mut Call<'_>, request: &FireWebhook) -> Answer {
    let now = call.now;
    let item = call.item(&request.access_token)?;
    if item.webhook.is_none() {
        return Err(PlaidError {
            kind: "SANDBOX_ERROR".into(),
            ..PlaidError::request("SANDBOX_WEBHOOK_INVALID", "the item has no webhook")
        });
    }
    let notice = Notice::fired(request.webhook_type.as_deref(), &request.webhook_code, item, now);
    let notice = notice.ok_or_else(|| {
        PlaidError::request(
            "INVALID_FIELD",
            "webhook_code is none that can be fired, or none of webhook_type",
        )
    })?;
    let item_id = item.item_id.clone();
    call.world.tell(&item_id, |_| vec![notice]);
    ok(json!({"webhook_fired": true}))
}
