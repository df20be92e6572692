//! Applying a large update from its redo log. Whoever comes starts over or goes on: a row that is as it should be
//! already is not written again.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    engine::{Deps, Halt, Outcome, Step, Trigger},
    fetch::finish,
    fold::{PageFacts, UpdateIndex},
    links::{LinkFinder, Links},
    patience::has_time,
    plan::{AccountIds, Group, RowWrite, Rows, plan_removals, plan_upserts, touched},
    ports::{Commit, Edit},
};
use crate::{
    ids::TransactionId,
    item::{Counts, Phase, Stage, SyncState},
    transaction::Month,
};

/// Rows of one write: 100 actions less the item's and the household's.
const CHUNK: usize = 98;
/// Bytes of one write: a transaction takes 4 MB.
const CHUNK_BYTES: usize = 3_000_000;
/// Pages that are kept in memory between the passes; larger updates are read again.
const KEPT_PAGES: u32 = 4;
/// What a chunk may take.
const CHUNK_TIME: Duration = Duration::from_secs(2);

pub(super) async fn apply(
    deps: &Deps,
    trigger: &Trigger,
    state: &SyncState,
    stage: &Stage,
    done_pages: u32,
) -> Result<Step, Halt> {
    let mut log = Log { deps, state, stage, kept: HashMap::new() };
    let Some(index) = log.index().await? else { return lost(deps, state).await };
    let accounts = AccountIds::new(&state.item.at.item, &state.accounts);
    let mut writer = Writer {
        deps,
        trigger,
        state,
        stage: stage.clone(),
        rev: state.rev,
        months: state.months.clone(),
        new_months: BTreeSet::new(),
        rows: Vec::new(),
        bytes: 0,
        counts: Counts::default(),
    };
    match run(&mut log, &mut writer, &index, &accounts, done_pages).await? {
        Progress::HandOver => Ok(Step::End(Outcome::HandOver)),
        Progress::Complete => {
            let counts = writer.finish().await?;
            deps.writes.drop_pages(&state.item.at, stage.run, stage.pages).await?;
            let covers = trigger.want.is_none_or(|want| stage.want >= want);
            let history = stage.history.clone();
            Ok(if covers { Step::End(Outcome::Finished { counts, history }) } else { Step::Again })
        }
    }
}

enum Progress {
    Complete,
    HandOver,
}

async fn run(
    log: &mut Log<'_>,
    writer: &mut Writer<'_>,
    index: &UpdateIndex,
    accounts: &AccountIds,
    done_pages: u32,
) -> Result<Progress, Halt> {
    let links = log.links(index, accounts).await?;
    for number in done_pages..log.stage.pages {
        let page = log.page(number).await?;
        // What is read decides what is written: nothing may be on its way to the same rows.
        writer.flush().await?;
        let found = log.rows(&touched(number, &page, index, &links)).await?;
        let mut rows = Rows::new(found, accounts);
        for group in plan_upserts(number, &page, index, &links, &mut rows) {
            if !writer.push(group).await? {
                return Ok(Progress::HandOver);
            }
        }
        writer.stage.phase = Phase::Applying(number + 1);
    }
    for number in 0..log.stage.pages {
        let page = log.page(number).await?;
        let ids: Vec<_> = index.removals(number, &page).into_iter().cloned().collect();
        if ids.is_empty() {
            continue;
        }
        writer.flush().await?;
        let mut rows = Rows::new(log.rows(&ids).await?, accounts);
        for group in plan_removals(number, &page, index, &mut rows) {
            if !writer.push(group).await? {
                return Ok(Progress::HandOver);
            }
        }
    }
    if log.stage.sweeps {
        writer.flush().await?;
        for key in log.swept(index).await? {
            let group = Group {
                writes: vec![RowWrite::Tombstone { key }],
                counts: Counts { removed: 1, ..Counts::default() },
            };
            if !writer.push(group).await? {
                return Ok(Progress::HandOver);
            }
        }
    }
    Ok(Progress::Complete)
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
    kept: HashMap<u32, PageFacts>,
}

impl Log<'_> {
    /// Which page has the last word on each id; `None` if a page is missing.
    async fn index(&mut self) -> Result<Option<UpdateIndex>, Halt> {
        let mut index = UpdateIndex::default();
        for number in 0..self.stage.pages {
            let Some(page) = self.read(number).await? else { return Ok(None) };
            index.add(number, &page);
            if self.stage.pages <= KEPT_PAGES {
                self.kept.insert(number, page);
            }
        }
        Ok(Some(index))
    }

    async fn page(&mut self, number: u32) -> Result<PageFacts, Halt> {
        if let Some(page) = self.kept.get(&number) {
            return Ok(page.clone());
        }
        // It was there when the index was made; without it the next start finds out and begins from nothing.
        self.read(number).await?.ok_or(Halt::Conflict)
    }

    async fn read(&self, number: u32) -> Result<Option<PageFacts>, Halt> {
        Ok(self.deps.writes.stage_page(&self.state.item.at, self.stage.run, number).await?)
    }

    async fn rows(
        &self,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, super::plan::StoredRow>, Halt> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(self.deps.reads.rows(&self.state.item.at, ids).await?)
    }

    async fn links(&mut self, index: &UpdateIndex, accounts: &AccountIds) -> Result<Links, Halt> {
        let mut finder = LinkFinder::default();
        for number in 0..self.stage.pages {
            let page = self.page(number).await?;
            let ids: Vec<_> = index.removals(number, &page).into_iter().cloned().collect();
            finder.add_removed(self.rows(&ids).await?.values(), index);
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

    /// Live rows that an update from nothing does not speak of.
    async fn swept(&self, index: &UpdateIndex) -> Result<Vec<TransactionId>, Halt> {
        let rows = self.deps.reads.live_rows(&self.state.item.at).await?;
        let is_gone = |row: &super::plan::StoredRow| row.carries.as_ref().is_some_and(|id| !index.keeps(id));
        Ok(rows.into_iter().filter(is_gone).map(|row| row.key).collect())
    }
}

/// Collects writes and commits them a chunk at a time.
struct Writer<'a> {
    deps: &'a Deps,
    trigger: &'a Trigger,
    state: &'a SyncState,
    stage: Stage,
    rev: u64,
    months: BTreeSet<Month>,
    new_months: BTreeSet<Month>,
    rows: Vec<RowWrite>,
    bytes: usize,
    counts: Counts,
}

impl Writer<'_> {
    /// Takes a group in, writing what is full. False when there is no time left.
    async fn push(&mut self, group: Group) -> Result<bool, Halt> {
        let bytes: usize = group.writes.iter().map(RowWrite::weight).sum();
        let is_full = self.rows.len() + group.writes.len() > CHUNK || self.bytes + bytes > CHUNK_BYTES;
        if is_full && !self.rows.is_empty() {
            self.flush().await?;
            if !has_time(self.deps, self.trigger.deadline, CHUNK_TIME) {
                return Ok(false);
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
        Ok(true)
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut commit = self.commit();
        self.stage.counts = self.stage.counts.plus(std::mem::take(&mut self.counts));
        self.stage.touched = self.deps.clock.now();
        commit.item.stage = Edit::Set(self.stage.clone());
        self.write(&commit).await
    }

    /// The last write: what is left, and that the run ended well.
    async fn finish(&mut self) -> Result<Counts, Halt> {
        let mut commit = self.commit();
        let counts = self.stage.counts.plus(std::mem::take(&mut self.counts));
        commit.item.stage = Edit::Clear;
        finish(&mut commit, self.state, self.stage.want, counts, &self.stage.history, self.deps.clock.now());
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
