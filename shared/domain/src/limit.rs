//! How often something may be asked for that costs calls at Plaid, or space. `docs/limits.md` has the table of all bounds.

use jiff::Timestamp;

/// A bound on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the store and in the docs.
    pub name: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// Whose requests are counted together.
    pub by: &'static str,
    /// So many requests.
    pub max: u32,
    /// In each span of so many seconds, beginning at a multiple of it.
    pub seconds: u32,
}

const HOUR: u32 = 3_600;
const MINUTE: u32 = 60;

/// Link tokens.
pub const LINK_TOKENS: Limit =
    Limit { name: "link-tokens", what: "link tokens created", by: "person", max: 100, seconds: HOUR };
/// Exchanges of public tokens.
pub const EXCHANGES: Limit =
    Limit { name: "exchanges", what: "public tokens exchanged", by: "person", max: 100, seconds: HOUR };
/// Codes of invitations that were tried, right or wrong.
pub const CODES: Limit =
    Limit { name: "codes", what: "invitation codes tried", by: "person", max: 50, seconds: HOUR };
/// Invitations made.
pub const INVITATIONS: Limit =
    Limit { name: "invitations", what: "invitations created", by: "household", max: 100, seconds: HOUR };
/// Syncs that people ask for. Plaid takes 50 a minute for an item, and a span may follow another at once.
pub const SYNCS: Limit = Limit { name: "syncs", what: "manual syncs", by: "item", max: 25, seconds: MINUTE };
/// Repairs that people confirm: each lists the accounts at Plaid, which takes 15 a minute for an item.
pub const REPAIRS: Limit =
    Limit { name: "repairs", what: "repairs confirmed", by: "item", max: 7, seconds: MINUTE };
/// Exports, each with all of its parts.
pub const EXPORTS: Limit = Limit { name: "exports", what: "exports", by: "person", max: 30, seconds: HOUR };
/// Accounts kept by hand that are made.
pub const ACCOUNTS: Limit =
    Limit { name: "accounts", what: "manual accounts created", by: "person", max: 100, seconds: HOUR };

/// All of them.
pub const ALL: [Limit; 8] = [LINK_TOKENS, EXCHANGES, CODES, INVITATIONS, SYNCS, REPAIRS, EXPORTS, ACCOUNTS];

/// Webhooks of an unknown item, which are parked for somebody to look at.
pub const UNKNOWN_ITEMS: Limit = Limit {
    name: "unknown-items",
    what: "webhooks parked",
    by: "item of Plaid's",
    max: 1,
    seconds: 24 * HOUR,
};

/// Connections of a household.
pub const MAX_ITEMS: usize = 50;
/// Accounts that a household keeps by hand.
pub const MAX_MANUAL_ACCOUNTS: usize = 100;

/// What became of a request that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It may be carried out.
    Within,
    /// There were as many as there may be; the next may be made in so many seconds.
    Beyond {
        /// From 1.
        retry_after_s: u32,
    },
}

impl Limit {
    /// The number of the span that an instant is in, and the seconds that are left of it.
    pub fn span(&self, now: Timestamp) -> (i64, u32) {
        let (now, length) = (now.as_second(), i64::from(self.seconds));
        let left = length - now.rem_euclid(length);
        (now.div_euclid(length), u32::try_from(left).unwrap_or(self.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_at_a_multiple_of_its_length() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(SYNCS.span(at(0)), (0, 60));
        assert_eq!(SYNCS.span(at(59)), (0, 1));
        assert_eq!(SYNCS.span(at(60)), (1, 60));
        assert_eq!(SYNCS.span(at(-1)), (-1, 1));
    }
}
