//! Applying a large update from its redo log. Whoever comes starts over or goes on: a row that is as it should be
//! already is not written again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    engine::{Deps, Halt, Outcome, Step, Trigger, rows},
    fetch::finish,
    fold::{IndexBuilder, PageFacts, UpdateIndex},
    ledger::{MAX_LEFT_OUT, MOST_REQUEST_IDS, RunEntry},
    links::{LinkFinder, Links},
    pairs::{FirstDays, PairFinder, Pairs},
    patience::has_time,
    plan::{AccountIds, Group, Plan, RowWrite, StoredRow, touched, touched_by_removal},
    ports::{AccountWrite, Commit, Edit},
};
use crate::{
    account::AccountState,
    ids::TransactionId,
    item::{Counts, Phase, Stage, SyncState},
    transaction::Month,
};

/// What a chunk may take.
const CHUNK_TIME: Duration = Duration::from_secs(2);

pub(super) async fn apply(
    deps: &Deps,
    trigger: &Trigger,
    state: &SyncState,
    stage: &Stage,
    done_pages: u32,
    has_asked: bool,
) -> Result<Step, Halt> {
    let (request_ids, left_out) = (Vec::new(), Vec::new());
    let mut log = Log { deps, state, stage, kept: HashMap::new(), request_ids, left_out };
    let Some(index) = log.index().await? else { return lost(deps, state).await };
    let accounts = AccountIds::new(&state.item.at.item, &state.accounts);
    let (pairs, first_days) = log.pairs(&index, &accounts).await?;
    let links = log.links(&index, &accounts, pairs).await?;
    let update = Update { index, links, first_days, accounts };
    let mut writer = Writer {
        deps,
        trigger,
        state,
        stage: stage.clone(),
        saved: done_pages,
        rev: state.rev,
        months: state.months.clone(),
        new_months: BTreeSet::new(),
        rows: Vec::new(),
        bytes: 0,
        counts: Counts::default(),
    };
    run(&mut log, &mut writer, &update, done_pages).await?;
    let counts = writer.finish(log.request_ids, log.left_out).await?;
    // Pages that stay behind expire by themselves; the run has ended well.
    match deps.writes.drop_pages(&state.item.at, stage.run, stage.pages).await {
        Ok(()) | Err(_) => {}
    }
    // A trigger without a number wants the bank to be asked, and what was wanted and failed meanwhile covered.
    let has_failed_since = state.item.failure.as_ref().is_some_and(|failure| failure.want > stage.want);
    let covers = trigger.want.map_or(has_asked && !has_failed_since, |want| stage.want >= want);
    let history = stage.history.clone();
    let finished = Outcome::Finished { counts, is_partial: state.is_partial(&history), history };
    Ok(if covers { Step::End(finished) } else { Step::Again })
}

/// What an update comes to, as far as it does not lie in its pages.
struct Update {
    index: UpdateIndex,
    links: Links,
    first_days: FirstDays,
    accounts: AccountIds,
}

impl Update {
    /// Whether a live row is no more since the whole history does not speak of it. What the bank's side does not tell
    /// of any more, an account that it does not share or days before those that it still has, stays as it was.
    fn is_swept(&self, row: &StoredRow) -> bool {
        row.carries.as_ref().is_some_and(|id| self.index.ends(id))
            && row.signature.as_ref().is_none_or(|(signature, _)| self.accounts.is_live(&signature.account))
            && !self.first_days.is_older(row, &self.accounts)
    }
}

async fn run(
    log: &mut Log<'_>,
    writer: &mut Writer<'_>,
    update: &Update,
    done_pages: u32,
) -> Result<(), Halt> {
    upsert(log, writer, update, done_pages).await?;
    join(log, writer, update).await?;
    for number in update.index.removing_pages() {
        writer.stop_if_late().await?;
        let page = log.page(number).await?;
        let removed = update.index.removals(number, &page);
        drop(page);
        remove(log, writer, update, &removed).await?;
    }
    if log.stage.sweeps {
        writer.flush().await?;
        writer.mark_unshared().await?;
        sweep(log, writer, update).await?;
    }
    Ok(())
}

async fn upsert(
    log: &mut Log<'_>,
    writer: &mut Writer<'_>,
    update: &Update,
    done_pages: u32,
) -> Result<(), Halt> {
    for number in done_pages..log.stage.pages {
        writer.stop_if_late().await?;
        let page = log.page(number).await?;
        // What is read decides what is written: nothing may be on its way to the same rows.
        writer.flush().await?;
        let ids = touched(number, &page, &update.index, &update.links);
        let found = rows(log.deps, &log.state.item.at, &ids, &[]).await?;
        let mut plan = Plan::new(found, &update.accounts, &update.index, &update.links);
        for facts in update.index.upserts(number, &page) {
            plan.upsert(facts);
        }
        drop(page);
        writer.push_all(plan).await?;
        writer.stage.phase = Phase::Applying(number + 1);
    }
    Ok(())
}

/// Postings whose pending transaction is there as well, and may stand behind them in the update.
async fn join(log: &mut Log<'_>, writer: &mut Writer<'_>, update: &Update) -> Result<(), Halt> {
    for number in update.index.early_pages() {
        writer.stop_if_late().await?;
        let page = log.page(number).await?;
        let upserts = update.index.upserts(number, &page);
        let early: Vec<_> = upserts.into_iter().filter(|facts| update.index.is_early(facts)).collect();
        writer.flush().await?;
        let ids: BTreeSet<_> =
            early.iter().flat_map(|facts| [Some(&facts.id), facts.pending_of.as_ref()]).flatten().collect();
        let ids: Vec<_> = ids.into_iter().cloned().collect();
        let found = rows(log.deps, &log.state.item.at, &ids, &[]).await?;
        let mut plan = Plan::new(found, &update.accounts, &update.index, &update.links);
        for facts in early {
            plan.join(facts);
        }
        writer.push_all(plan).await?;
    }
    Ok(())
}

/// After a history from nothing: what it does not speak of is no more.
async fn sweep(log: &Log<'_>, writer: &mut Writer<'_>, update: &Update) -> Result<(), Halt> {
    let mut after = None;
    loop {
        writer.stop_if_late().await?;
        writer.flush().await?;
        let live = log.deps.reads.live_rows(&log.state.item.at, after.as_ref()).await?;
        let swept = live.rows.into_iter().filter(|row| update.is_swept(row));
        let gone: Vec<_> = swept.filter_map(|row| row.carries).collect();
        remove(log, writer, update, &gone).await?;
        match live.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn remove(
    log: &Log<'_>,
    writer: &mut Writer<'_>,
    update: &Update,
    removed: &[TransactionId],
) -> Result<(), Halt> {
    if removed.is_empty() {
        return Ok(());
    }
    writer.flush().await?;
    let ids = touched_by_removal(removed, &update.links);
    let found = rows(log.deps, &log.state.item.at, &ids, removed).await?;
    let mut plan = Plan::new(found, &update.accounts, &update.index, &update.links);
    for id in removed {
        plan.remove(id);
    }
    writer.push_all(plan).await
}

/// A page of the log is gone (it lay for longer than its time to live): nothing was lost at the bank's side, so the
/// item starts from nothing.
async fn lost(deps: &Deps, state: &SyncState) -> Result<Step, Halt> {
    let mut commit = Commit::new(&state.item.at, state.rev, deps.clock.now());
    commit.item.stage = Edit::Clear;
    commit.item.cursor = Edit::Clear;
    deps.writes.commit(&commit).await?;
    Ok(Step::Again)
}

/// The redo log of one stage.
struct Log<'a> {
    deps: &'a Deps,
    state: &'a SyncState,
    stage: &'a Stage,
    kept: HashMap<u32, Arc<PageFacts>>,
    request_ids: Vec<String>,
    left_out: Vec<String>,
}

impl Log<'_> {
    /// Which page has the last word on each id; `None` if a page is missing.
    async fn index(&mut self) -> Result<Option<UpdateIndex>, Halt> {
        let mut index = IndexBuilder::default();
        for number in 0..self.stage.pages {
            let Some(page) = self.read(number).await? else { return Ok(None) };
            index.add(number, &page);
            if self.request_ids.len() < MOST_REQUEST_IDS {
                self.request_ids.extend(page.request_id.clone());
            }
            let room = MAX_LEFT_OUT.saturating_sub(self.left_out.len());
            self.left_out.extend(page.left_out.iter().take(room).cloned());
            if self.stage.pages <= self.deps.limits.kept_pages {
                self.kept.insert(number, Arc::new(page));
            }
        }
        Ok(Some(index.finish(self.stage.sweeps)))
    }

    async fn page(&mut self, number: u32) -> Result<Arc<PageFacts>, Halt> {
        if let Some(page) = self.kept.get(&number) {
            return Ok(page.clone());
        }
        // It was there when the index was made; without it the next start finds out and begins from nothing.
        self.read(number).await?.map(Arc::new).ok_or(Halt::Conflict)
    }

    async fn read(&self, number: u32) -> Result<Option<PageFacts>, Halt> {
        Ok(self.deps.writes.stage_page(&self.state.item.at, self.stage.run, number).await?)
    }

    /// The pairs of a whole history in which accounts go on under new ids, and the first day of each.
    async fn pairs(
        &mut self,
        index: &UpdateIndex,
        accounts: &AccountIds,
    ) -> Result<(Pairs, FirstDays), Halt> {
        let mut finder = PairFinder::default();
        if self.stage.sweeps && accounts.are_continued() {
            for number in 0..self.stage.pages {
                let page = self.page(number).await?;
                for facts in index.upserts(number, &page) {
                    finder.add_new(facts, accounts);
                }
            }
            self.live_rows(|row| finder.add_old(row, index, accounts)).await?;
        }
        Ok(finder.settle())
    }

    /// Looks at every live row of the item.
    async fn live_rows(&self, mut look: impl FnMut(&StoredRow)) -> Result<(), Halt> {
        let mut after = None;
        loop {
            let live = self.deps.reads.live_rows(&self.state.item.at, after.as_ref()).await?;
            live.rows.iter().for_each(&mut look);
            match live.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn links(
        &mut self,
        index: &UpdateIndex,
        accounts: &AccountIds,
        pairs: Pairs,
    ) -> Result<Links, Halt> {
        let at = &self.state.item.at;
        let mut finder = LinkFinder::beside(pairs);
        for number in index.removing_pages() {
            let page = self.page(number).await?;
            let ids = index.removals(number, &page);
            finder.add_removed(rows(self.deps, at, &ids, &[]).await?.values(), index);
        }
        if self.stage.sweeps {
            self.live_rows(|row| finder.add_removed(std::iter::once(row), index)).await?;
        }
        for number in 0..self.stage.pages {
            if finder.is_idle() {
                break;
            }
            let page = self.page(number).await?;
            finder.look(number, &page, index, accounts);
        }
        Ok(finder.settle())
    }
}

/// Collects writes and commits them a chunk at a time.
struct Writer<'a> {
    deps: &'a Deps,
    trigger: &'a Trigger,
    state: &'a SyncState,
    stage: Stage,
    /// Pages that are known to be done, as the item's row has it.
    saved: u32,
    rev: u64,
    months: BTreeSet<Month>,
    new_months: BTreeSet<Month>,
    rows: Vec<RowWrite>,
    bytes: usize,
    counts: Counts,
}

impl Writer<'_> {
    async fn push_all(&mut self, plan: Plan<'_>) -> Result<(), Halt> {
        for group in plan.finish() {
            self.push(group).await?;
        }
        Ok(())
    }

    /// Takes a group in, writing what is full, and hands over when there is no time left.
    async fn push(&mut self, group: Group) -> Result<(), Halt> {
        let limits = &self.deps.limits;
        let bytes: usize = group.writes.iter().map(RowWrite::weight).sum();
        let is_full =
            self.rows.len() + group.writes.len() > limits.chunk || self.bytes + bytes > limits.chunk_bytes;
        if is_full && !self.rows.is_empty() {
            self.flush().await?;
            if !has_time(self.deps, self.trigger.deadline, CHUNK_TIME) {
                return Err(Halt::HandOver(Duration::ZERO));
            }
        }
        for write in &group.writes {
            if let RowWrite::Bank { facts, .. } = write {
                let month = Month::of(facts.date);
                if self.months.insert(month) {
                    self.new_months.insert(month);
                }
            }
        }
        self.bytes += bytes;
        self.rows.extend(group.writes);
        self.counts = self.counts.plus(group.counts);
        Ok(())
    }

    /// Hands over when there is no time for another page, with what has been done so far written down: pages that
    /// changed nothing are not looked through again.
    async fn stop_if_late(&mut self) -> Result<(), Halt> {
        if has_time(self.deps, self.trigger.deadline, CHUNK_TIME) {
            return Ok(());
        }
        match self.stage.phase {
            Phase::Applying(pages) if self.rows.is_empty() && pages > self.saved => self.save().await?,
            Phase::Applying(_) | Phase::Fetching(_) => self.flush().await?,
        }
        Err(Halt::HandOver(Duration::ZERO))
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.save().await
    }

    async fn save(&mut self) -> Result<(), Halt> {
        let mut commit = self.commit();
        self.stage.counts = self.stage.counts.plus(std::mem::take(&mut self.counts));
        self.stage.touched = self.deps.clock.now();
        commit.item.stage = Edit::Set(self.stage.clone());
        self.write(&commit).await
    }

    /// Marks unshared accounts: the sweep skips their transactions, and another one follows once they are shared again.
    async fn mark_unshared(&mut self) -> Result<(), Halt> {
        let unshared = AccountState::Unshared { missed_sweep: false };
        let unmarked = self.state.accounts.iter().filter(|account| account.state == unshared);
        let marked = unmarked.map(|account| AccountWrite {
            state: AccountState::Unshared { missed_sweep: true },
            ..AccountWrite::from(account)
        });
        let marked: Vec<_> = marked.collect();
        for some in marked.chunks(self.deps.limits.accounts.max(1)) {
            let mut commit = self.commit();
            commit.accounts = some.to_vec();
            self.write(&commit).await?;
        }
        Ok(())
    }

    /// The last write: what is left, and that the run ended well.
    async fn finish(&mut self, request_ids: Vec<String>, left_out: Vec<String>) -> Result<Counts, Halt> {
        let mut commit = self.commit();
        let counts = self.stage.counts.plus(std::mem::take(&mut self.counts));
        commit.item.stage = Edit::Clear;
        let entry = RunEntry {
            at: commit.now,
            began: self.stage.began,
            cause: self.trigger.cause,
            pages: self.stage.pages,
            counts,
            failure: None,
            request_ids,
            left_out,
        };
        finish(&mut commit, self.state, self.stage.began, self.stage.want, &self.stage.history, entry);
        self.write(&commit).await?;
        Ok(counts)
    }

    fn commit(&mut self) -> Commit {
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        self.bytes = 0;
        commit.rows = std::mem::take(&mut self.rows);
        commit.new_months = std::mem::take(&mut self.new_months);
        if !commit.new_months.is_empty() {
            commit.item.months = Some(self.months.clone());
        }
        commit
    }

    async fn write(&mut self, commit: &Commit) -> Result<(), Halt> {
        self.deps.writes.commit(commit).await?;
        self.rev += 1;
        Ok(())
    }
}
