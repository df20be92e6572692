//! Where there is anything to be found: a household's months, categories and accounts.

use domain::{
    ids::HouseholdId,
    item::Connection,
    search::{HouseholdScope, SearchScope},
    store::{Connections, StoreError},
};
use futures::future::{try_join, try_join_all};

use crate::{
    Store, categories,
    keys::{self, CATEGORIES, META},
    row::{Reader, Row, key},
};

impl Store {
    pub(super) async fn read_scope(&self, households: &[HouseholdId]) -> Result<SearchScope, StoreError> {
        let keys_of = |household| [META, CATEGORIES].map(|sort| key(keys::household(household), sort));
        let rows = self.batch_get(households.iter().flat_map(keys_of).collect(), None, false);
        let connections = try_join_all(households.iter().map(|household| self.connections(household)));
        let (rows, connections) = try_join(rows, connections).await?;
        let scopes = households.iter().zip(connections);
        let scopes = scopes.map(|(household, connections)| scope(household, connections, &rows));
        Ok(SearchScope { households: scopes.collect::<Result<_, _>>()? })
    }
}

fn scope(
    household: &HouseholdId,
    connections: Vec<Connection>,
    rows: &[Row],
) -> Result<HouseholdScope, StoreError> {
    let pk = keys::household(household);
    let find = |sk: &str| {
        rows.iter().find(|row| {
            let row = Reader(row);
            row.maybe_text("pk") == Some(&pk) && row.maybe_text("sk") == Some(sk)
        })
    };
    Ok(HouseholdScope {
        household: household.clone(),
        months: find(META).map(|row| Reader(row).set("mo")).unwrap_or_default(),
        tree: categories::decode(find(CATEGORIES))?,
        connections,
    })
}
