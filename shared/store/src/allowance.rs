//! The bucket of Plaid's calls that all workers share.

use async_trait::async_trait;
use domain::{store::StoreError, sync::Allowance};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    outcome::unavailable,
    row::{Change, Reader, Row, key, number, text},
};

fn row_key() -> Row {
    key("ALLOWANCE", "SYNCS")
}

#[async_trait]
impl Allowance for Store {
    async fn full_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(row_key()))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map(|row| Reader(&row).time("fu")).transpose()
    }

    async fn advance(&self, read: Option<Timestamp>, full_at: Timestamp) -> Result<bool, StoreError> {
        let mut change = Change::default();
        change.set("v", number(SCHEMA)).set("fu", text(full_at.to_string()));
        let condition = match read {
            Some(read) => {
                change.value("read", text(read.to_string()));
                "fu = :read"
            }
            None => "attribute_not_exists(fu)",
        };
        self.change_row(row_key(), change, condition).await
    }
}
