//! The ledger of runs: which seeds were run on which commit, and what came of it. A run of days goes on where it stopped.

use std::{
    path::{Path, PathBuf},
    process::Command,
    process::ExitCode,
    time::Instant,
};

use simulator::{FIRST_SWARM_SEED, Tally};

use crate::{Options, Outcome, part, print_counts, print_failures, random};

/// Schedules between two looks at the file.
const PART: u64 = 2_000;
const HEAD: &str = "first seed\tschedules\tdone\tdivergences\tcommit\tdate\tfailing seeds";

/// One range of seeds.
struct Line {
    first: u64,
    schedules: u64,
    done: u64,
    divergences: u64,
    commit: String,
    date: String,
    failing: Vec<u64>,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut number = || fields.next()?.parse().ok();
        let (first, schedules, done, divergences) = (number()?, number()?, number()?, number()?);
        let (commit, date) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        let failing = fields.next()?.split(' ').filter_map(|seed| seed.parse().ok()).collect();
        Some(Self { first, schedules, done, divergences, commit, date, failing })
    }

    fn text(&self) -> String {
        let Self { first, schedules, done, divergences, commit, date, failing } = self;
        let failing = failing.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        format!("{first}\t{schedules}\t{done}\t{divergences}\t{commit}\t{date}\t{failing}")
    }

    fn overlaps(&self, first: u64, schedules: u64) -> bool {
        first < self.first + self.schedules && self.first < first + schedules
    }
}

fn read(file: &Path) -> Result<Vec<Line>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let lines = text.lines().filter(|line| !line.is_empty() && *line != HEAD);
    lines.map(|line| Line::read(line).ok_or_else(|| format!("not a line of a ledger: {line}"))).collect()
}

fn write(file: &Path, lines: &[Line]) -> std::io::Result<()> {
    replace(file, std::iter::once(HEAD.to_owned()).chain(lines.iter().map(Line::text)))
}

/// Replaces a file in one step: a run of days may end at any moment.
fn replace(file: &Path, lines: impl Iterator<Item = String>) -> std::io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, lines.map(|line| line + "\n").collect::<String>())?;
    std::fs::rename(&new, file)
}

/// The file beside the ledger with the combinations that the runs of a commit never hit.
fn never_hit_file(file: &Path) -> PathBuf {
    file.with_extension("never-hit.txt")
}

fn write_never_hit(file: &Path, commit: &str, tally: &Tally) -> std::io::Result<()> {
    let (possible, never) = tally.coverage.never_hit();
    let head = [format!("commit {commit}"), format!("{} of {possible} combinations", never.len())];
    replace(&never_hit_file(file), head.into_iter().chain(never))
}

/// Takes over what earlier runs of the same commit have hit.
fn resume(file: &Path, commit: &str, tally: &Tally) -> std::io::Result<()> {
    let text = match std::fs::read_to_string(never_hit_file(file)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut lines = text.lines();
    if lines.next() == Some(format!("commit {commit}").as_str()) {
        tally.coverage.resume(&lines.skip(1).collect::<Vec<_>>());
    }
    Ok(())
}

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a schedule is made from.
const SOURCES: [&str; 8] = [
    "shared",
    "functions",
    "local/plaid-sandbox",
    "local/template",
    "local/simulator/src",
    "template.yaml",
    "Cargo.toml",
    "Cargo.lock",
];

/// The last commit that changed what is run, marked if it has changed since.
fn commit() -> Result<String, String> {
    let about = |first: &[&str]| output("git", &[first, &["--"], &SOURCES].concat());
    let commit = about(&["log", "-1", "--format=%h"])?;
    let changed = about(&["status", "--porcelain"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit}+") })
}

/// Runs what the ledger lacks: `options.schedules` of this commit, in `options.ranges` new ranges.
pub(crate) fn fill(file: &Path, options: &Options) -> Outcome {
    let commit = commit()?;
    let mut lines = read(file)?;
    let (ranges, size) = (options.ranges, options.schedules / options.ranges);
    if size == 0 {
        return Err("--schedules must be at least --ranges".into());
    }
    let open = lines.iter().filter(|line| line.commit == commit && line.done < line.schedules).count();
    if open == 0 {
        for number in 0..ranges {
            let first = new_range(&lines, size, number % 2 == 1);
            let date = output("date", &["-u", "+%F"])?;
            let (done, divergences, failing) = (0, 0, Vec::new());
            lines.push(Line {
                first,
                schedules: size,
                done,
                divergences,
                commit: commit.clone(),
                date,
                failing,
            });
        }
        write(file, &lines)?;
    }
    let (tally, began) = (Tally::default(), Instant::now());
    resume(file, &commit, &tally)?;
    let (mut ran, mut failures) = (0, Vec::new());
    while let Some(place) = lines.iter().position(|l| l.commit == commit && l.done < l.schedules) {
        let Some(line) = lines.get_mut(place) else { break };
        let from = line.first + line.done;
        let more = PART.min(line.schedules - line.done);
        let found = part(options, &(from..from + more), &tally)?;
        line.done += more;
        line.divergences += u64::try_from(found.len()).unwrap_or(u64::MAX);
        line.failing.extend(found.iter().map(|failure| failure.seed));
        ran += more;
        println!("{}", line.text());
        write(file, &lines)?;
        write_never_hit(file, &commit, &tally)?;
        failures.extend(found);
    }
    print_counts(&tally, options.coverage);
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    println!("{ran} schedules, {} divergences, {} schedules/s", failures.len(), ran * 1000 / ms);
    print_failures(options, &failures)?;
    let is_equal = lines.iter().filter(|line| line.commit == commit).all(|line| line.divergences == 0);
    Ok(if is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A range that no line of the ledger overlaps.
fn new_range(lines: &[Line], size: u64, is_swarm: bool) -> u64 {
    loop {
        let first = if is_swarm {
            FIRST_SWARM_SEED + random(1 << 40)
        } else {
            random(FIRST_SWARM_SEED.saturating_sub(size).max(1))
        };
        if lines.iter().all(|line| !line.overlaps(first, size)) {
            return first;
        }
    }
}
