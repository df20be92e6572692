//! Items whose `retry_at` has come: the sparse index `retry`.

use async_trait::async_trait;
use domain::{
    retries::{Retries, Retry, RetryPage, RetryShard},
    store::StoreError,
    sync::{Commit, Edit},
};
use jiff::Timestamp;

use crate::{
    Store, keys,
    night::item_ref,
    outcome::unavailable,
    row::{Change, Reader, text},
};

/// The attributes of the index, which come with a failure that passes and go with it.
pub(crate) fn attributes(change: &mut Change, commit: &Commit) {
    match &commit.item.failure {
        Edit::Keep => {}
        Edit::Set(failure) => {
            let shard = RetryShard::of(&commit.at.item);
            change
                .put("rp", failure.retry_at.map(|_| text(keys::retry_shard(shard))))
                .put("rs", failure.retry_at.map(|at| text(keys::retry(at, &commit.at))));
        }
        Edit::Clear => {
            change.remove("rp").remove("rs");
        }
    }
}

#[async_trait]
impl Retries for Store {
    async fn due_retries(
        &self,
        shard: RetryShard,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryPage, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .index_name(keys::RETRY)
            .key_condition_expression("rp = :rp AND rs < :now")
            .expression_attribute_values(":rp", text(keys::retry_shard(shard)))
            .expression_attribute_values(":now", text(keys::instant(now)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| unavailable(&error))?;
        let retry = |row| Ok(Retry { at: item_ref(row)?, place: Reader(row).text("rs")?.to_owned() });
        Ok(RetryPage {
            retries: page.items.unwrap_or_default().iter().map(retry).collect::<Result<_, StoreError>>()?,
            is_last: page.last_evaluated_key.is_none_or(|key| key.is_empty()),
        })
    }

    async fn claim(&self, retry: &Retry, until: Timestamp) -> Result<bool, StoreError> {
        let mut change = Change::default();
        change
            .set("rs", text(keys::retry(until, &retry.at)))
            .value("seen", text(&retry.place))
            .value("removing", text("removing"));
        self.change_item(&retry.at, change, "rs = :seen AND hs <> :removing").await
    }
}
