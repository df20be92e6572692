//! A few schedules, and every mutant.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use simulator::{Base, Engine, Failure, Mutant, Tally, run};

fn base() -> Base {
    Base::new(Engine::Compared).unwrap()
}

/// A part of the few hundred: the parts run side by side.
fn hold(seeds: std::ops::Range<u64>) {
    let (base, tally) = (base(), Tally::default());
    for seed in seeds {
        run(&base, seed, None, &tally, false).unwrap();
    }
    let hits: u64 = tally.counts().map(|(_, count)| count).sum();
    assert!(hits > 0, "nothing went wrong at all");
}

#[test]
fn the_first_schedules_end_equal_to_the_ledger() {
    hold(1..101);
}

#[test]
fn the_next_schedules_end_equal_to_the_ledger() {
    hold(101..201);
}

#[test]
fn the_last_schedules_end_equal_to_the_ledger() {
    hold(201..301);
}

/// The first seed that shows what a rule is for.
fn caught(mutant: Mutant) -> Failure {
    let (base, tally) = (base(), Tally::default());
    let mut failures = (1..1_000).filter_map(|seed| run(&base, seed, Some(mutant), &tally, false).err());
    failures.next().unwrap_or_else(|| panic!("{mutant:?} was not caught"))
}

#[test]
fn without_the_rev_condition_it_is_caught() {
    caught(Mutant::SkipTheRevCondition);
}

#[test]
fn with_the_cursor_before_the_stage_it_is_caught() {
    caught(Mutant::CursorBeforeTheStage);
}

#[test]
fn with_an_unfinished_stage_applied_it_is_caught() {
    caught(Mutant::ApplyAnUnfinishedStage);
}

#[test]
fn with_a_diff_on_an_old_read_it_is_caught() {
    caught(Mutant::DiffOnAnOldRead);
}

#[test]
fn with_a_skipped_trigger_it_is_caught() {
    caught(Mutant::SkipATrigger);
}

#[test]
fn with_another_id_cleared_it_is_caught() {
    caught(Mutant::ClearAnotherId);
}

#[test]
fn a_seed_runs_the_same_way_twice() {
    let base = base();
    let counts = || {
        let tally = Tally::default();
        run(&base, 7, None, &tally, false).unwrap();
        tally.counts().collect::<Vec<_>>()
    };
    assert_eq!(counts(), counts());
    let failure = caught(Mutant::SkipATrigger);
    let again = run(&base, failure.seed, Some(Mutant::SkipATrigger), &Tally::default(), false);
    assert_eq!(again, Err(failure));
}
