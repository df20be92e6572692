//! Where there is anything to be found: a household's months, categories and accounts.

use std::collections::BTreeSet;

use domain::{
    ids::{AccountId, HouseholdId},
    search::{HouseholdScope, SearchScope},
    store::StoreError,
};

use crate::{
    Store, categories,
    keys::{self, CATEGORIES, META},
    row::{Reader, Row, key},
};

impl Store {
    pub(super) async fn read_scope(
        &self,
        households: &[HouseholdId],
        accounts: &BTreeSet<AccountId>,
    ) -> Result<SearchScope, StoreError> {
        let mut wanted = Vec::new();
        for household in households {
            let sorts = [META.to_owned(), CATEGORIES.to_owned()].into_iter();
            let sorts = sorts.chain(accounts.iter().map(keys::account));
            wanted.extend(sorts.map(|sort| key(keys::household(household), sort)));
        }
        let rows = self.batch_get(wanted, None, false).await?;
        let scopes = households.iter().map(|household| scope(household, accounts, &rows));
        Ok(SearchScope { households: scopes.collect::<Result<_, _>>()? })
    }
}

fn scope(
    household: &HouseholdId,
    accounts: &BTreeSet<AccountId>,
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
        accounts: accounts.iter().filter(|id| find(&keys::account(id)).is_some()).cloned().collect(),
    })
}
