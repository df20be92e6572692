//! Searching transactions by the index of months.

mod listed;
mod month;
mod query;
mod scope;

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::{
    ids::HouseholdId,
    search::{
        Fields, Filter, FoundPage, HouseholdScope, Matcher, SCAN_BYTES, Scanned, Search, SearchScope, Show,
        TransactionSearch,
    },
    store::StoreError,
    transaction::Month,
};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};

pub(crate) use self::listed::listed;
use self::{
    month::{Allowance, Part, QUERY_BYTES},
    query::Range,
};
use crate::Store;

/// So many months are read at the same time.
const AT_ONCE: usize = 8;

/// A household where something may be, with its filter.
struct Place<'a> {
    scope: &'a HouseholdScope,
    matcher: Matcher<'a>,
}

/// The households that can have something: if accounts are asked for, those that have one of them.
fn places<'a>(filter: &'a Filter, scope: &'a SearchScope) -> Vec<Place<'a>> {
    let can_have = |here: &&HouseholdScope| {
        filter.accounts.is_empty() || filter.accounts.iter().any(|account| here.has_account(account))
    };
    let here = scope.households.iter().filter(can_have);
    let matcher =
        |scope: &'a HouseholdScope| Matcher::new(filter, &scope.tree).with_left_out(scope.left_out());
    here.map(|scope| Place { scope, matcher: matcher(scope) }).collect()
}

/// The months that exist and are in range, in no order.
fn months(filter: &Filter, places: &[Place<'_>]) -> BTreeSet<Month> {
    let (first, last) = (filter.from.map(Month::of), filter.to.map(Month::of));
    let all = places.iter().flat_map(|place| &place.scope.months).copied();
    all.filter(|month| first.is_none_or(|first| *month >= first) && last.is_none_or(|last| *month <= last))
        .collect()
}

/// The months that a page can be made of, in its order.
fn months_of_page(search: &Search, places: &[Place<'_>]) -> Vec<Month> {
    let after = search.after.as_ref().map(|after| Month::of(after.date));
    let all = months(&search.filter, places).into_iter();
    if search.sort.is_ascending() {
        all.filter(|month| after.is_none_or(|after| *month >= after)).collect()
    } else {
        all.rev().filter(|month| after.is_none_or(|after| *month <= after)).collect()
    }
}

#[async_trait]
impl TransactionSearch for Store {
    async fn scope(&self, households: &[HouseholdId]) -> Result<SearchScope, StoreError> {
        self.read_scope(households).await
    }

    async fn find(&self, search: &Search, scope: &SearchScope) -> Result<FoundPage, StoreError> {
        let search = &Search { filter: scope.with_groups(&search.filter), ..search.clone() };
        let places = places(&search.filter, scope);
        let months = months_of_page(search, &places);
        let mut filling = Filling { search, found: FoundPage::default(), bytes: search.bytes, months: 0 };
        let mut rest = months.as_slice();
        while let Some(next) = rest.first() {
            if filling.months > 0 && filling.bytes < QUERY_BYTES {
                let household = places.last().map(|place| &place.scope.household);
                filling.found.next = household.and_then(|id| search.sort.before_month(*next, id));
                break;
            }
            let (wave, later) = rest.split_at(filling.wave(places.len()).min(rest.len()));
            if filling.take(self.read_wave(&filling, &places, wave).await?) {
                break;
            }
            rest = later;
        }
        Ok(filling.found)
    }

    async fn scan(
        &self,
        filter: &Filter,
        fields: Fields,
        scope: &SearchScope,
        show: &mut Show<'_>,
    ) -> Result<Scanned, StoreError> {
        let filter = &scope.with_groups(filter);
        let places = places(filter, scope);
        let range = Range::new(filter, None);
        let mut reads = Vec::new();
        for month in months(filter, &places) {
            for place in places.iter().filter(|place| place.scope.months.contains(&month)) {
                let query = self.month_query((&place.scope.household, month), filter, fields, &range, true);
                let pages = Self::pages(query).map_ok(move |page| (place, page));
                reads.push(pages.boxed());
            }
        }
        let mut pages = stream::iter(reads).flatten_unordered(AT_ONCE);
        let mut examined = 0;
        while let Some((place, page)) = pages.try_next().await? {
            examined += page.examined;
            if examined > SCAN_BYTES {
                return Ok(Scanned::TooMuch);
            }
            for row in &page.rows {
                let listed = place.matcher.with_visible_account(listed(&place.scope.household, row)?);
                if place.matcher.matches(&listed) {
                    show(&place.matcher, listed);
                }
            }
        }
        Ok(Scanned::Whole)
    }
}

/// A page that is being filled.
struct Filling<'a> {
    search: &'a Search,
    found: FoundPage,
    /// What may still be examined.
    bytes: u64,
    /// How many months have been read.
    months: usize,
}

impl Filling<'_> {
    fn missing(&self) -> usize {
        self.search.limit.saturating_sub(self.found.transactions.len())
    }

    /// How many months to read at once: as many as the page seems to need, going by those that have been read, but no more
    /// than may be examined if each has a megabyte of each household.
    fn wave(&self, households: usize) -> usize {
        let Some(a_month) = self.found.transactions.len().checked_div(self.months) else { return 1 };
        let seem_needed = self.missing().checked_div(a_month).unwrap_or(AT_ONCE);
        let affordable = self.bytes / QUERY_BYTES;
        let affordable = usize::try_from(affordable).unwrap_or(AT_ONCE).checked_div(households);
        seem_needed.min(affordable.unwrap_or(AT_ONCE)).clamp(1, AT_ONCE)
    }

    /// Takes what was read of months, in their order. True if the page ends with it.
    fn take(&mut self, wave: Vec<Vec<Part>>) -> bool {
        for parts in wave {
            self.months += 1;
            self.bytes = self.bytes.saturating_sub(parts.iter().map(|part| part.examined).sum());
            if self.take_month(parts) {
                return true;
            }
        }
        false
    }

    /// Puts the parts of a month in order behind what was found. True if the page ends within this month.
    fn take_month(&mut self, parts: Vec<Part>) -> bool {
        let sort = self.search.sort;
        // Only what lies before the first place where a part stopped is complete.
        let bound = parts
            .iter()
            .filter_map(|part| part.stopped_at.clone())
            .min_by(|left, right| sort.compare(left, right));
        let rows = parts.into_iter().flat_map(|part| part.rows);
        let mut rows: Vec<_> = rows.map(|row| (sort.position(&row), row)).collect();
        if let Some(bound) = &bound {
            rows.retain(|(place, _)| !sort.is_after(place, bound));
        }
        rows.sort_by(|(left, _), (right, _)| sort.compare(left, right));
        let room = self.missing();
        let is_cut = rows.len() > room;
        rows.truncate(room);
        self.found.transactions.extend(rows.into_iter().map(|(_, row)| row));
        if is_cut {
            self.found.next = self.found.transactions.last().map(|row| sort.position(row));
            return true;
        }
        self.found.next.clone_from(&bound);
        bound.is_some()
    }
}

impl Store {
    /// Reads months at once, each of all households that have it.
    async fn read_wave(
        &self,
        filling: &Filling<'_>,
        places: &[Place<'_>],
        wave: &[Month],
    ) -> Result<Vec<Vec<Part>>, StoreError> {
        let here = |month: Month| places.iter().filter(move |place| place.scope.months.contains(&month));
        let reads: usize = wave.iter().map(|month| here(*month).count()).sum();
        let share = u64::try_from(reads).ok().and_then(|reads| filling.bytes.checked_div(reads));
        // One more tells whether there is a next page.
        let allowance = Allowance { rows: filling.missing() + 1, bytes: share.unwrap_or_default() };
        let months = wave.iter().map(|month| {
            try_join_all(here(*month).map(|place| {
                let of = (&place.scope.household, *month);
                self.read_month(filling.search, &place.matcher, of, allowance)
            }))
        });
        try_join_all(months).await
    }
}
