//! What a person at the terminal sees, and where everything else goes.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::Mutex,
};

use serde_json::Value;

/// The terminal and the log file.
pub(crate) struct Output {
    verbose: bool,
    log: Mutex<File>,
}

impl Output {
    pub(crate) fn new(verbose: bool, log: &Path) -> std::io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        Ok(Self { verbose, log: Mutex::new(log) })
    }

    /// A line for the person.
    pub(crate) fn say(&self, line: &str) {
        if self.verbose {
            print(line);
        }
        self.write("stack", line);
    }

    /// A line that a function wrote: into the log; what a sync did, and what was parked, is also shown.
    pub(crate) fn function_line(&self, function: &str, line: &str) {
        self.write(function, line);
        if let Some(shown) = progress(line) {
            self.say(&shown);
        }
    }

    fn write(&self, source: &str, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A full disk must not stop the stack; the terminal still shows what happens.
        if writeln!(log, "{source}: {line}").is_err() && self.verbose {
            print("the log file cannot be written");
        }
    }
}

/// One line on the terminal. Whoever has closed it does not want to know.
pub(crate) fn print(line: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{line}").is_err();
}

/// What a sync did, or why a message was parked, in words.
fn progress(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] == "message parked" {
        return Some(format!("      parked {}: {}", line["message_id"].as_str()?, line["why"].as_str()?));
    }
    if line["message"] != "item synced" {
        return None;
    }
    let count = |name: &str| line[name].as_u64().unwrap_or_default();
    let outcome = line["outcome"].as_str()?;
    let code = line["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
    let item = line["item_id"].as_str()?;
    let counts = format!("+{} ~{} -{}", count("added"), count("modified"), count("removed"));
    Some(format!("      sync {item} {outcome}{code} {counts}"))
}
