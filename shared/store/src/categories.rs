//! A household's categories: one row with the whole tree, written under its revision.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    category::{Categories, CategoryUses, KeptTree, Tree},
    ids::{CategoryId, HouseholdId, ItemRef},
    store::StoreError,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    Store,
    connections::connections,
    encode::SCHEMA,
    keys::{self, CATEGORIES},
    outcome::{Cancelled, cancelled, unavailable},
    row::{Change, Reader, Row, bytes, key, number, pack, text, unpack},
};

/// The tree is as it was read.
const FIRST: &str = "attribute_not_exists(pk)";
const LATER: &str = "rev = :read";
/// The places of the two actions of a write.
const HOUSEHOLD: usize = 0;
/// So many items are read at the same time.
const ITEMS_AT_ONCE: usize = 16;

/// The tree of a household's row; the system's, if it has none.
pub(crate) fn decode(row: Option<&Row>) -> Result<Tree, StoreError> {
    let Some(row) = row.map(Reader) else { return Ok(Tree::system()) };
    let corrupt = || StoreError::Corrupt("categories");
    let plain = unpack(row.bytes("z").ok_or_else(corrupt)?)?;
    let kept: KeptTree = serde_json::from_slice(&plain).map_err(|_unreadable| corrupt())?;
    Tree::of(row.number("rev")?, kept).map_err(|_below_itself| corrupt())
}

fn row_key(household: &HouseholdId) -> Row {
    key(keys::household(household), CATEGORIES)
}

impl Store {
    async fn categories_row(&self, household: &HouseholdId) -> Result<Option<Row>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(row_key(household)))
            .consistent_read(true);
        Ok(get.send().await.map_err(|error| unavailable(&error))?.item)
    }
}

#[async_trait]
impl Categories for Store {
    async fn tree(&self, household: &HouseholdId) -> Result<Tree, StoreError> {
        decode(self.categories_row(household).await?.as_ref())
    }

    async fn save(&self, household: &HouseholdId, tree: &Tree) -> Result<bool, StoreError> {
        let plain = serde_json::to_vec(tree.kept()).map_err(|_bad| StoreError::Corrupt("categories"))?;
        let packed = pack(&plain)?;
        let (read, next) = (tree.revision(), tree.revision() + 1);
        let mut change = Change::default();
        change.set("v", number(SCHEMA)).set("rev", number(next)).set("z", bytes(packed.clone()));
        if read > 0 {
            change.value("read", number(read));
        }
        let condition = if read > 0 { LATER } else { FIRST };
        let write = self.update(row_key(household), change, Some(condition))?;
        let actions = vec![self.lives(household)?, write];
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        let Err(error) = request.send().await else { return Ok(true) };
        match cancelled(&error) {
            // Whoever asks again finds no household.
            Cancelled::Condition(HOUSEHOLD) => Err(StoreError::Busy),
            Cancelled::Conflict => Ok(false),
            Cancelled::Condition(_) => {
                // It may be our own write, whose answer was lost.
                let row = self.categories_row(household).await?.unwrap_or_default();
                let row = Reader(&row);
                Ok(row.maybe_number("rev") == Some(next) && row.bytes("z") == Some(packed.as_slice()))
            }
            Cancelled::Failed(error) => Err(error),
        }
    }
}

#[async_trait]
impl CategoryUses for Store {
    async fn uses(
        &self,
        household: &HouseholdId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<u64, StoreError> {
        let rows = self.item_rows(household, None, true).await?;
        let items = connections(household, &rows)?.into_iter().map(|connection| connection.item.at);
        let counts = items.map(async |at| self.uses_in(&at, categories).await);
        stream::iter(counts)
            .buffer_unordered(ITEMS_AT_ONCE)
            .try_fold(0, async |sum, count| Ok(sum + count))
            .await
    }
}

impl Store {
    async fn uses_in(&self, at: &ItemRef, categories: &BTreeSet<CategoryId>) -> Result<u64, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::None)
            .projection_expression("uc, us")
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("attribute_exists(uc) OR attribute_exists(us)")
            .expression_attribute_values(":pk", text(keys::transactions(at)))
            .expression_attribute_values(":sk", text("T#"));
        let rows = self.all(query).await?;
        let count = rows.iter().filter(|row| is_of(Reader(row), categories)).count();
        u64::try_from(count).map_err(|_too_many| StoreError::Corrupt("uses"))
    }
}

/// Whether a person wrote one of the categories on a transaction, or on a part of it.
fn is_of(row: Reader<'_>, categories: &BTreeSet<CategoryId>) -> bool {
    let is_one = |category: Option<CategoryId>| category.is_some_and(|id| categories.contains(&id));
    let parts = row.0.get("us").and_then(|parts| parts.as_l().ok()).into_iter().flatten();
    is_one(row.maybe_parsed("uc"))
        || parts
            .filter_map(|part| AttributeValue::as_m(part).ok())
            .any(|part| is_one(Reader(part).maybe_parsed("c")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_of_its_category_and_of_those_of_its_parts() {
        let part = |id: &str| AttributeValue::M([("c".to_owned(), text(id))].into());
        let of = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect::<BTreeSet<CategoryId>>();
        let row: Row = [
            ("uc".to_owned(), text("cat_a")),
            ("us".to_owned(), AttributeValue::L(vec![part("cat_b"), AttributeValue::M(Row::new())])),
        ]
        .into();
        assert!(is_of(Reader(&row), &of(&["cat_a"])) && is_of(Reader(&row), &of(&["cat_x", "cat_b"])));
        assert!(!is_of(Reader(&row), &of(&["cat_c"])) && !is_of(Reader(&Row::new()), &of(&["cat_a"])));
    }

    #[test]
    fn a_row_that_is_no_tree_is_said() {
        assert_eq!(decode(None), Ok(Tree::system()));
        let row = |plain: &[u8]| {
            let fields = [("rev", number(1)), ("z", bytes(pack(plain).unwrap()))];
            decode(Some(&fields.map(|(name, value)| (name.to_owned(), value)).into()))
        };
        assert_eq!(row(b"{}").map(|tree| tree.revision()), Ok(1));
        let own = r##"{"n":"Own","p":"cat_a","k":"income","c":"#000000","i":"x","r":1}"##;
        let below_itself = format!("{{\"o\":{{\"cat_a\":{own}}}}}");
        for wrong in ["", "[", r#"{"o":7}"#, &below_itself] {
            assert_eq!(row(wrong.as_bytes()), Err(StoreError::Corrupt("categories")), "{wrong}");
        }
        assert_eq!(decode(Some(&Row::new())), Err(StoreError::Corrupt("categories")));
    }
}
