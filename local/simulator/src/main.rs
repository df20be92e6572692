//! Runs schedules and says what came of them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for a person at a terminal")]

mod ledger;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use simulator::{Base, Cut, Engine, FIRST_SWARM_SEED, Failure, Mutant, Schedule, Shrunk, Tally, run, shrink};

/// Half of a schedule is small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sync under every fault there is, in virtual time.
#[derive(Parser)]
#[command(name = "cargo simulate")]
struct Options {
    /// How many schedules.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..FIRST_SWARM_SEED))]
    schedules: u64,
    /// The first one's seed; the others count on from it. Seeds from 100,000,000 on draw which moves and faults exist.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1 << 63))]
    seed: u64,
    /// Half of the schedules from a random seed below 100,000,000, half from one above.
    #[arg(long, conflicts_with_all = ["seed", "replay"])]
    random: bool,
    /// Run in parts and write them down here: ranges of seeds that were not used before. Goes on where it stopped.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "replay", "random", "mutant"])]
    ledger: Option<PathBuf>,
    /// Ranges that the ledger's schedules are divided into.
    #[arg(long, default_value_t = 10, requires = "ledger", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    ranges: u64,
    /// Leave a rule out, and stop at the first schedule that shows it.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Run one seed again and print everything that happens.
    #[arg(long)]
    replay: Option<u64>,
    /// What to leave out of it, as a shrunk failure prints it.
    #[arg(long, requires = "replay", default_value = "")]
    cut: Cut,
    /// Which engine answers the store.
    #[arg(long, value_enum, default_value_t)]
    database: Engine,
    /// Threads; one for each core if absent.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print all combinations of a move, a fault and a phase that were never hit, not only the first.
    #[arg(long)]
    coverage: bool,
}

/// Seeds from the first up to the second, which is not one of them.
type Seeds = std::ops::Range<u64>;
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    // A panic inside a schedule is a finding like any other, and is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let options = Options::parse();
    let outcome = match (options.replay, &options.ledger) {
        (Some(seed), _) => replay(seed, &options),
        (None, Some(file)) => ledger::fill(file, &options),
        (None, None) => once(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn replay(seed: u64, options: &Options) -> Outcome {
    let schedule = Schedule { seed, mutant: options.mutant, cut: options.cut.clone(), is_traced: true };
    match run(&Base::new(options.database)?, &schedule, &Tally::default()) {
        Ok(()) => {
            println!("seed {seed}: equal");
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            println!("{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A number below `bound` that differs from run to run.
fn random(bound: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    fastrand::Rng::with_seed(u64::try_from(now % u128::from(u64::MAX)).unwrap_or_default()).u64(0..bound)
}

fn once(options: &Options) -> Outcome {
    let ranges = if options.random {
        let plain = random(FIRST_SWARM_SEED - options.schedules);
        let swarm = FIRST_SWARM_SEED + random(1 << 40);
        let half = options.schedules / 2;
        vec![plain..plain + half, swarm..swarm + (options.schedules - half)]
    } else {
        let seeds = options.seed..options.seed + options.schedules;
        vec![seeds]
    };
    let tally = Tally::default();
    let began = Instant::now();
    let mut failures = Vec::new();
    for seeds in ranges {
        println!("seeds {} to {}", seeds.start, seeds.end - 1);
        failures.extend(part(options, &seeds, &tally)?);
    }
    print_counts(&tally, options.coverage);
    let ms = began.elapsed().as_millis().max(1);
    let per_second = u128::from(options.schedules) * 1000 / ms;
    println!(
        "{} schedules, {} divergences, {per_second} schedules/s on {} threads",
        options.schedules,
        failures.len(),
        threads(options)
    );
    print_failures(options, &failures)?;
    Ok(match (options.mutant, failures.is_empty()) {
        (None, true) | (Some(_), false) => ExitCode::SUCCESS,
        (Some(mutant), true) => {
            println!("{mutant:?} was not caught");
            ExitCode::FAILURE
        }
        (None, false) => ExitCode::FAILURE,
    })
}

fn threads(options: &Options) -> usize {
    let threads = options.threads.map_or_else(std::thread::available_parallelism, Ok);
    threads.map_or(1, usize::from)
}

/// Runs a range of seeds.
fn part(options: &Options, seeds: &Seeds, tally: &Tally) -> Result<Vec<Failure>, String> {
    let (next, failures) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let worker = || scope.spawn(|| worker(options, seeds.end, &next, tally, &failures));
        let workers: Vec<_> = (0..threads(options)).map(|_| worker()).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a thread died".to_owned())))
            .collect::<Result<Vec<()>, String>>()
    })?;
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|failure: &Failure| failure.seed);
    Ok(failures)
}

fn worker(
    options: &Options,
    end: u64,
    next: &AtomicU64,
    tally: &Tally,
    failures: &Mutex<Vec<Failure>>,
) -> Result<(), String> {
    let base = Base::new(options.database).map_err(|error| error.to_string())?;
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return Ok(());
        }
        let schedule = Schedule { mutant: options.mutant, ..Schedule::of(seed) };
        if let Err(failure) = run(&base, &schedule, tally) {
            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            if options.mutant.is_some() {
                next.fetch_max(end, Ordering::SeqCst);
            }
        }
    }
}

/// Combinations that are printed without `--coverage`.
const SHOWN: usize = 20;

fn print_counts(tally: &Tally, all: bool) {
    println!("{:<55} {:>10}", "fault", "hits");
    for (name, count) in tally.counts() {
        println!("{name:<55} {count:>10}");
    }
    let (possible, never) = tally.coverage.never_hit();
    println!("{} of {possible} combinations of move × fault × phase were never hit", never.len());
    for name in never.iter().take(if all { usize::MAX } else { SHOWN }) {
        println!("  {name}");
    }
}

/// Failures that are shrunk: the others are mostly of the same cause.
const SHRUNK: usize = 3;

fn print_failures(options: &Options, failures: &[Failure]) -> Result<(), Box<dyn std::error::Error>> {
    for failure in failures.iter().take(20) {
        println!("{failure}");
        println!("  again: cargo simulate --replay {}", failure.seed);
    }
    if failures.is_empty() || options.mutant.is_some() {
        return Ok(());
    }
    let base = Base::new(options.database)?;
    for failure in failures.iter().take(SHRUNK) {
        let Shrunk { cut, failure, faults } = shrink(&base, &Schedule::of(failure.seed), failure);
        println!("smaller: {failure}");
        println!("  with: {}", faults.join("; "));
        println!("  again: cargo simulate --replay {} --cut {cut}", failure.seed);
    }
    Ok(())
}
