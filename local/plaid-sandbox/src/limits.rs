//! Calls a minute, as Plaid limits them, when that is asked for.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use domain::time::later;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::errors::PlaidError;

const MINUTE: Duration = Duration::from_mins(1);

/// Calls of one endpoint in any minute. What is absent has no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Those about one item.
    #[serde(default)]
    pub per_item: Option<usize>,
    /// All of them.
    #[serde(default)]
    pub per_client: Option<usize>,
    /// All of them that come without a cursor.
    #[serde(default)]
    pub without_cursor: Option<usize>,
}

const fn limit(per_item: usize, per_client: usize) -> Limit {
    Limit { per_item: Some(per_item), per_client: Some(per_client), without_cursor: None }
}

/// Plaid's limits in Production, and the code of each, <https://plaid.com/docs/errors/rate-limit-exceeded/>.
const PLAIDS: [(&str, Limit, &str); 8] = [
    (
        "/transactions/sync",
        Limit { without_cursor: Some(500), ..limit(50, 2_500) },
        "TRANSACTIONS_SYNC_LIMIT",
    ),
    ("/transactions/get", limit(30, 20_000), "TRANSACTIONS_LIMIT"),
    ("/transactions/refresh", limit(2, 100), "TRANSACTIONS_REFRESH_LIMIT"),
    ("/accounts/get", limit(15, 15_000), "ACCOUNTS_LIMIT"),
    ("/accounts/balance/get", limit(5, 1_200), "BALANCE_LIMIT"),
    ("/item/get", limit(15, 5_000), "ITEM_GET_LIMIT"),
    ("/item/remove", limit(30, 2_000), "RATE_LIMIT"),
    (
        "/institutions/get_by_id",
        Limit { per_item: None, per_client: Some(400), without_cursor: None },
        "INSTITUTIONS_GET_BY_ID_LIMIT",
    ),
];

/// Which limits hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// Those of one item.
    #[serde(default)]
    pub per_item: bool,
    /// Those of a client.
    #[serde(default)]
    pub per_client: bool,
    /// Other limits than Plaid's, by path.
    #[serde(default)]
    pub instead: BTreeMap<String, Limit>,
}

/// A call, as far as a limit goes by it.
pub(crate) struct Metered<'a> {
    pub(crate) path: &'a str,
    /// What the item is known by.
    pub(crate) item: Option<&'a str>,
    pub(crate) has_cursor: bool,
}

/// The calls of the last minute, and how many were refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Meter {
    pub(crate) limits: RateLimits,
    /// Answers with status 429 so far, by path.
    pub(crate) refused: BTreeMap<String, u64>,
    /// By what is counted.
    #[serde(skip)]
    calls: BTreeMap<String, VecDeque<Timestamp>>,
}

impl Meter {
    pub(crate) fn set(&mut self, limits: RateLimits) {
        self.limits = limits;
        self.calls.clear();
    }

    /// Whether any limit holds.
    pub(crate) fn is_on(&self) -> bool {
        self.limits.per_item || self.limits.per_client
    }

    /// Counts a call, or refuses it, which does not count.
    pub(crate) fn admit(
        &mut self,
        call: &Metered<'_>,
        now: Timestamp,
        time_scale: u32,
    ) -> Result<(), PlaidError> {
        let counted = self.counted(call);
        for (what, most) in &counted {
            let calls = self.calls.entry(what.clone()).or_default();
            while calls.front().is_some_and(|first| later(*first, MINUTE / time_scale) <= now) {
                calls.pop_front();
            }
            if calls.len() >= *most {
                let why = "rate limit exceeded. please try again later";
                return Err(PlaidError { message: why.to_owned(), ..PlaidError::of_code(code(call.path)) });
            }
        }
        for (what, _) in counted {
            self.calls.entry(what).or_default().push_back(now);
        }
        Ok(())
    }

    /// What a call counts towards, and the most there may be of it.
    fn counted(&self, call: &Metered<'_>) -> Vec<(String, usize)> {
        let Metered { path, item, has_cursor } = call;
        let plaids = || PLAIDS.iter().find(|(known, ..)| known == path).map(|(_, limit, _)| *limit);
        let limit = self.limits.instead.get(*path).copied().or_else(plaids).unwrap_or_default();
        let per_item = limit.per_item.filter(|_| self.limits.per_item);
        let per_client = |most: Option<usize>| most.filter(|_| self.limits.per_client);
        let without_cursor = per_client(limit.without_cursor).filter(|_| !has_cursor);
        let counted = [
            item.zip(per_item).map(|(item, most)| (format!("{path} of {item}"), most)),
            per_client(limit.per_client).map(|most| ((*path).to_owned(), most)),
            without_cursor.map(|most| (format!("{path} without a cursor"), most)),
        ];
        counted.into_iter().flatten().collect()
    }
}

fn code(path: &str) -> &'static str {
    PLAIDS.iter().find(|(known, ..)| *known == path).map_or("RATE_LIMIT", |(.., code)| code)
}
