//! Webhooks: what calls for one, what it says, and how it is signed and sent.

mod faults;
mod keys;
mod notice;
mod outbox;
mod retry;
mod sender;

use std::time::Duration;

use serde_json::{Value, json};

pub use self::{
    faults::{Flaw, WebhookFault},
    outbox::Deliveries,
};
pub(crate) use self::{
    notice::Notice,
    outbox::{Outbox, Post},
    retry::Outcome,
    sender::{ANSWERS_WITHIN, run},
};
use crate::{changes::Change, item::Item, world::World};

impl Outbox {
    /// Writes down what there is to say of an item, if the item has an address for it.
    pub(crate) fn tell(
        &mut self,
        item: &mut Item,
        notices: Vec<Notice>,
        now: jiff::Timestamp,
    ) -> Option<u64> {
        let url = item.webhook.clone()?;
        let mut last = None;
        for notice in notices {
            item.last_webhook = Some((now, notice.code.clone()));
            last = Some(self.write(&url, &item.item_id, &notice.body(&item.item_id), now));
        }
        last
    }
}

impl World {
    /// Writes down what an item's state gives to say, and the id of the last webhook of it.
    pub(crate) fn tell(
        &mut self,
        item_id: &str,
        notices: impl FnOnce(&mut Item) -> Vec<Notice>,
    ) -> Option<u64> {
        let item = self.items.values_mut().find(|item| item.item_id == item_id)?;
        let notices = notices(item);
        self.outbox.tell(item, notices, self.now)
    }

    /// Changes an item as [`World::change`] does, and writes down the webhooks that this calls for.
    pub fn change_and_tell(&mut self, item_id: &str, change: &Change) -> Option<String> {
        let id = self.change(item_id, change)?;
        self.announce(item_id, change, &id);
        Some(id)
    }

    /// The payloads of all webhooks that were due and are not forgotten, oldest first.
    pub fn webhooks(&self) -> Vec<Value> {
        self.outbox.bodies().cloned().collect()
    }

    /// How many deliveries were made, and how many are to come.
    pub fn deliveries(&self) -> Deliveries {
        self.outbox.deliveries()
    }

    fn announce(&mut self, item_id: &str, change: &Change, id: &str) {
        self.tell(item_id, |item| match change {
            Change::LoginLoss | Change::Trouble { code: Some(_) } => {
                vec![Notice::error(item.usable().err().as_ref())]
            }
            Change::Repair | Change::Trouble { code: None } => {
                vec![Notice::item("LOGIN_REPAIRED", json!({}))]
            }
            Change::OpenAccount { .. } => {
                vec![Notice::item("NEW_ACCOUNTS_AVAILABLE", json!({"error": null}))]
            }
            Change::LoseAccount { revoked: true, .. } => {
                vec![Notice::item("USER_ACCOUNT_REVOKED", json!({"account_id": id}))]
            }
            Change::Expire { at, reason } => vec![Notice::ends(*at, reason.as_deref())],
            Change::Revoke => vec![Notice::revoked()],
            // Plaid has none for these.
            Change::Balance { .. }
            | Change::LoseAccount { revoked: false, .. }
            | Change::MoveInstitution { .. } => Vec::new(),
            Change::Add { .. }
            | Change::Amend { .. }
            | Change::Remove { .. }
            | Change::Restore { .. }
            | Change::Revert { .. }
            | Change::Flicker
            | Change::RemovedThenRestored { .. }
            | Change::Post(_)
            | Change::Settle
            | Change::Churn { .. }
            | Change::RenumberAccounts
            | Change::ReissueAccounts
            | Change::ShareAccount => item.news(),
        });
    }

    /// Lets the history arrive that is due, and takes up to so many deliveries; and how long until there is more to do.
    pub(crate) fn take_due(&mut self, room: usize) -> (Vec<Post>, Option<Duration>) {
        let arrives = self.look();
        let (now, time_scale) = (self.now, self.time_scale);
        let posts: Vec<_> = std::iter::from_fn(|| self.outbox.take(now, time_scale)).take(room).collect();
        let next = [arrives, self.outbox.wait_for(now)].into_iter().flatten().min();
        (posts, next)
    }

    /// Sends what a fault holds, in any order.
    pub fn release_webhooks(&mut self) {
        self.outbox.release(self.now);
    }

    /// What became of a delivery.
    pub(crate) fn settle(&mut self, id: u64, outcome: &Outcome) {
        self.outbox.settle(id, outcome, self.now, self.time_scale);
    }
}
