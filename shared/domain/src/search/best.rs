//! The first of many in an order, without keeping the many.

use super::{FoundPage, Listed, Position, Sort};

/// What comes first, after a place, among all that was shown to it.
#[derive(Debug)]
pub struct Best<'a> {
    sort: Sort,
    after: Option<&'a Position>,
    limit: usize,
    kept: Vec<(Position, Listed)>,
    is_cut: bool,
    /// The last place that can still matter.
    worst: Option<Position>,
}

impl<'a> Best<'a> {
    /// At most `limit` of what comes after a place.
    pub fn new(sort: Sort, after: Option<&'a Position>, limit: usize) -> Self {
        Self { sort, after, limit, kept: Vec::new(), is_cut: false, worst: None }
    }

    /// Shows it one.
    pub fn add(&mut self, listed: Listed) {
        let place = self.sort.position(&listed);
        if self.after.is_some_and(|after| !self.sort.is_after(&place, after)) {
            return;
        }
        if self.worst.as_ref().is_some_and(|worst| self.sort.is_after(&place, worst)) {
            self.is_cut = true;
            return;
        }
        self.kept.push((place, listed));
        // Twice the room: each is then sorted a few times at most.
        if self.kept.len() >= 2 * self.limit.max(1) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.kept.sort_by(|(left, _), (right, _)| self.sort.compare(left, right));
        if self.kept.len() > self.limit {
            self.kept.truncate(self.limit);
            self.is_cut = true;
        }
        if self.kept.len() == self.limit {
            self.worst = self.kept.last().map(|(place, _)| place.clone());
        }
    }

    /// The page that they make.
    pub fn page(mut self) -> FoundPage {
        self.cut();
        let next = if self.is_cut { self.kept.last().map(|(place, _)| place.clone()) } else { None };
        FoundPage { transactions: self.kept.into_iter().map(|(_, listed)| listed).collect(), next }
    }
}
