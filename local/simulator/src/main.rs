//! Runs schedules and says what came of them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for a person at a terminal")]

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use simulator::{Base, Engine, Failure, Mutant, Tally, run};

/// Half of a schedule is small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sync under every fault there is, in virtual time.
#[derive(Parser)]
#[command(name = "cargo simulate")]
struct Options {
    /// How many schedules.
    #[arg(long, default_value_t = 1_000)]
    schedules: u64,
    /// The first one's seed; the others count on from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave a rule out, and stop at the first schedule that shows it.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Run one seed again and print everything that happens.
    #[arg(long)]
    replay: Option<u64>,
    /// Which engine answers the store.
    #[arg(long, value_enum, default_value_t)]
    database: Engine,
    /// Threads; one for each core if absent.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    // A panic inside a schedule is a finding like any other, and is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let options = Options::parse();
    let outcome = match options.replay {
        Some(seed) => replay(seed, &options),
        None => all(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

fn replay(seed: u64, options: &Options) -> Outcome {
    match run(&Base::new(options.database)?, seed, options.mutant, &Tally::default(), true) {
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

fn all(options: &Options) -> Outcome {
    let tally = Tally::default();
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(cores);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| worker(options, &next, &tally, &failures))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a thread died".to_owned())))
            .collect::<Result<Vec<()>, String>>()
    })?;
    let ran = next.load(Ordering::SeqCst).min(options.schedules);
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{:<55} {:>10}", "fault", "hits");
    for (name, count) in tally.counts() {
        println!("{name:<55} {count:>10}");
    }
    let ms = began.elapsed().as_millis().max(1);
    let per_second = u128::from(ran) * 1000 / ms;
    println!(
        "{ran} schedules, {} divergences, {per_second} schedules/s on {threads} threads",
        failures.len()
    );
    for failure in failures.iter().take(20) {
        println!("{failure}");
        println!("  again: cargo simulate --replay {}", failure.seed);
    }
    Ok(match (options.mutant, failures.is_empty()) {
        (None, true) | (Some(_), false) => ExitCode::SUCCESS,
        (Some(mutant), true) => {
            println!("{mutant:?} was not caught");
            ExitCode::FAILURE
        }
        (None, false) => ExitCode::FAILURE,
    })
}

fn worker(
    options: &Options,
    next: &AtomicU64,
    tally: &Tally,
    failures: &Mutex<Vec<Failure>>,
) -> Result<(), String> {
    let base = Base::new(options.database).map_err(|error| error.to_string())?;
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= options.schedules {
            return Ok(());
        }
        if let Err(failure) = run(&base, options.seed + number, options.mutant, tally, false) {
            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            if options.mutant.is_some() {
                next.fetch_add(options.schedules, Ordering::SeqCst);
            }
        }
    }
}
