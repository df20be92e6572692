//! Many items at once, as if people had linked them.

use domain::{
    household::{Households, NewHousehold},
    ids::{Entropy, HouseholdId, ItemId, ItemRef},
    item::NewItem,
    secret::AccessToken,
    store::{Added, NewConnections, StoreError},
    vault::TokenSealer,
};
use jiff::Timestamp;
use vault::Sealer;

use crate::{Stack, StackError, stack::sdk_config};

/// Items of one household.
const TOGETHER: u32 = 4;

impl Stack {
    /// Connects so many items with so many transactions each, four in a household, and gives where they are and Plaid's
    /// ids. Nobody asks for their first syncs.
    ///
    /// # Errors
    /// When Plaid is not the sandbox that is built in, or a service here failed.
    pub async fn connect(&self, items: u32, transactions: u32) -> Result<Vec<(ItemRef, String)>, StackError> {
        let sandbox = self.sandbox();
        let sandbox =
            sandbox.ok_or_else(|| StackError::Unexpected("this Plaid is not the built-in one".to_owned()))?;
        let sealer = Sealer::new(&sdk_config(&self.ready.aws_url)?, self.services.key_arn());
        let store = self.store()?;
        let mut connected = Vec::new();
        for number in 0..items {
            let now = Timestamp::now();
            let logged_in = sandbox.world().connect("user_many", &transactions.to_string(), now);
            let (token, plaid_id) =
                logged_in.ok_or_else(|| StackError::Unexpected("the sandbox took no log-in".to_owned()))?;
            let at = ItemRef {
                household: HouseholdId::from_entropy(entropy(number / TOGETHER)),
                item: ItemId::from_entropy(entropy(number)),
            };
            let sealed = sealer.seal(&at, &AccessToken::new(token)).await;
            let new = NewItem {
                at: at.clone(),
                user: seed_user()?,
                plaid_item: plaid_id.parse().map_err(|_bad| StackError::Seed(plaid_id.clone()))?,
                institution: None,
                institution_name: None,
                token: sealed.map_err(|error| StackError::Seed(error.to_string()))?,
                at_time: now,
                awaits_admission: false,
            };
            let failed = |error: StoreError| StackError::Seed(error.to_string());
            if number % TOGETHER == 0 {
                store.create(&nobodys(at.household.clone(), now)?).await.map_err(failed)?;
            }
            match store.add(&new).await.map_err(failed)? {
                Added::Stored => {}
                other => return Err(StackError::Unexpected(format!("an item was not stored: {other:?}"))),
            }
            connected.push((at, plaid_id));
        }
        Ok(connected)
    }
}

/// A household with nobody in it: its items are only synced.
fn nobodys(id: HouseholdId, at: Timestamp) -> Result<NewHousehold, StackError> {
    let name = "Nobody's".parse().map_err(|_bad| StackError::Seed("a name".to_owned()))?;
    Ok(NewHousehold { id, name, members: Vec::new(), at })
}

fn seed_user() -> Result<domain::ids::UserId, StackError> {
    "alice".parse().map_err(|_bad| StackError::Seed("alice".to_owned()))
}

/// Bytes that no other number has.
fn entropy(number: u32) -> Entropy {
    let mut entropy = Entropy::default();
    entropy.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    entropy
}
