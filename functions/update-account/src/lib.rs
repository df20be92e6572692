//! `PATCH /api/v1/plaid/accounts/{account_id}` — what people decide about an account: its name, whether it counts in budgets and
//! is shown; of one that is kept by hand, whether it is closed and what is on it. If it is as `If-Match` has it.
//!
//! Effects: one update of the person's half, which no sync touches.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::{Account, AccountChange, AccountEdited, AccountEdits, AccountState, visible_account},
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::{AccountId, ItemRef},
    store::{Connections, OneConnection},
    sync::Edit,
};
use edge::{
    Problem,
    account::{AccountView, LONGEST_NAME},
    body::{DecimalText, Line, edit, some, without_default},
    http::{Reply, Request},
    problem::FieldError,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The account.
    pub connections: Arc<dyn OneConnection>,
    /// The household's accounts, for a merged account.
    pub household: Arc<dyn Connections>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
    /// Changes accounts.
    pub accounts: Arc<dyn AccountEdits>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The name in place of the bank's; null for the bank's again.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<Line<LONGEST_NAME>>")]
    name: Edit<Line<LONGEST_NAME>>,
    /// Whether it counts in budgets.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    include_in_budget: Option<bool>,
    /// Whether it is left out where accounts are chosen from.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    hidden: Option<bool>,
    /// Whether it takes no new transactions: only of one that is kept by hand.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    closed: Option<bool>,
    /// What is on it: only of one that is kept by hand; null for what it was made or kept with.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<DecimalText>")]
    current_balance: Edit<DecimalText>,
    /// Null says that no other account of the household is the same one.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "()")]
    possible_twin: Edit<OnlyNull>,
}

/// The type of a field that takes null and nothing else.
struct OnlyNull;

impl<'de> Deserialize<'de> for OnlyNull {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("must be null"))
    }
}

/// Changes an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("account_not_found", "account");
    let id: AccountId = request.path("account_id", missing)?;
    let (memberships, connections) = (&*deps.memberships, &*deps.connections);
    let found = one_item(memberships, connections, &request.user, &id.item(), Permission::Edit).await;
    let no_access = |error| Problem::no_access(error, "account_not_found", "account");
    let found = found.map_err(no_access)?;
    let visible = visible_account(&*deps.household, &*deps.categories, found, &id).await?;
    let (item, account) = visible.ok_or_else(missing)?;
    let body: Body = request.json()?;
    let if_rev = request.if_match()?;
    let of_bank = body.of_manual_only();
    if !of_bank.is_empty() && account.state != AccountState::Manual {
        return Err(Problem::of_bank(of_bank));
    }
    let change = body.change();
    let edited = if change.is_empty() && if_rev.is_none_or(|rev| rev == account.half.rev) {
        AccountEdited::Done(Box::new(account.clone()))
    } else {
        let at = ItemRef { household: item.at.household.clone(), item: account.id.item() };
        deps.accounts.change_account(&at, &account.id, &change, if_rev).await?
    };
    match edited {
        AccountEdited::Done(edited) => {
            let revision = edited.half.rev;
            let account = Account { half: edited.half, compared: edited.compared, ..account };
            Ok(Reply::json(200, &AccountView::new(&item, account))?.tagged(revision))
        }
        AccountEdited::NotFound => Err(missing()),
        AccountEdited::Stale => Err(Problem::stale()),
        AccountEdited::NotManual => Err(Problem::of_bank(of_bank)),
    }
}

impl Body {
    /// What is in it that the bank says of an account that it keeps.
    fn of_manual_only(&self) -> Vec<FieldError> {
        let fields = [
            ("closed", self.closed.is_some()),
            ("current_balance", !matches!(self.current_balance, Edit::Keep)),
        ];
        let fault = |name: &str| FieldError {
            field: name.to_owned(),
            message: "is the bank's to say of an account that it keeps".to_owned(),
        };
        fields.into_iter().filter(|(_, is_sent)| *is_sent).map(|(name, _)| fault(name)).collect()
    }

    fn change(self) -> AccountChange {
        AccountChange {
            name: self.name.map(|line| line.0),
            include_in_budget: self.include_in_budget,
            hidden: self.hidden,
            closed: self.closed,
            balance: self.current_balance.map(|balance| balance.0),
            is_alone: matches!(self.possible_twin, Edit::Clear),
        }
    }
}
