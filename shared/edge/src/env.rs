//! Reading a function's settings: every fault is reported at once, and nothing has a silent default.

use std::{fmt::Display, str::FromStr};

use thiserror::Error;

/// Calls a minute of one worker at least.
const LEAST_SHARE: u32 = 2;

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the settings are incomplete: {}", .0.join("; "))]
pub struct EnvError(pub Vec<String>);

/// Reads settings by name and collects what is wrong.
pub struct Env<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl<'a> Env<'a> {
    /// Reads through `read`.
    pub fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { read, faults: Vec::new() }
    }

    /// A setting that must be there.
    pub fn required(&mut self, name: &str) -> String {
        match (self.read)(name).filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => {
                self.faults.push(format!("{name} is not set"));
                String::new()
            }
        }
    }

    /// A setting that may be absent.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.is_empty())
    }

    /// A whole number, at least 1.
    pub fn number(&mut self, name: &str) -> u32 {
        let text = self.required(name);
        match text.parse() {
            Ok(number @ 1..) => number,
            // That it is missing has been said.
            _ if text.is_empty() => 1,
            _ => {
                self.faults.push(format!("{name} is no whole number of at least 1"));
                1
            }
        }
    }

    /// One of the values that `T` knows. `otherwise` only stands in until the fault is reported.
    pub fn choice<T: FromStr<Err: Display>>(&mut self, name: &str, otherwise: T) -> T {
        let text = self.required(name);
        match text.parse() {
            Ok(value) => value,
            // That it is missing has been said.
            Err(_) if text.is_empty() => otherwise,
            Err(must) => {
                self.fault(format!("{name} {must}"));
                otherwise
            }
        }
    }

    /// Notes a fault, such as of settings that do not go together.
    pub fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    /// What so many calls a minute leave to each of so many workers: at least two, the least that a worker keeps to.
    pub fn share(&mut self, calls: u32, workers: u32) -> u32 {
        let share = calls / workers.max(1);
        if share < LEAST_SHARE {
            self.fault(format!(
                "{calls} calls a minute are too few for {workers} workers: each takes {LEAST_SHARE}"
            ));
        }
        share
    }

    /// Words, divided by commas; at least one.
    pub fn words(&mut self, name: &str) -> Vec<String> {
        let text = self.required(name);
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    /// The settings, if nothing was wrong.
    pub fn finish<T>(self, settings: T) -> Result<T, EnvError> {
        if self.faults.is_empty() { Ok(settings) } else { Err(EnvError(self.faults)) }
    }
}

/// A variable of the process's environment, for `Config::from_env` in a `main.rs`.
#[expect(clippy::disallowed_methods, reason = "the one place where a function's environment is read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The names of all variables of the process's environment.
pub fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_rounds_to_less_than_two_calls_is_a_fault() {
        let nothing = |_: &str| None;
        let mut env = Env::new(&nothing);
        assert_eq!(env.share(40, 20), 2);
        assert_eq!(env.finish(()), Ok(()));
        for (calls, workers) in [(39, 20), (0, 1)] {
            let mut env = Env::new(&nothing);
            let share = env.share(calls, workers);
            assert!(env.finish(share).is_err(), "{calls} for {workers}");
        }
    }

    #[test]
    fn every_fault_is_said_at_once() {
        let read = |name: &str| match name {
            "ZERO" => Some("0".to_owned()),
            "TEXT" => Some("many".to_owned()),
            "SEVEN" => Some("7".to_owned()),
            _ => None,
        };
        let mut env = Env::new(&read);
        let all = (
            env.number("ZERO"),
            env.number("TEXT"),
            env.number("SEVEN"),
            env.number("ABSENT"),
            env.required("NO"),
            (env.choice("TEXT", true), env.choice("ABSENT", true)),
        );
        assert_eq!(all.2, 7);
        let faults = env.finish(all).unwrap_err().0;
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(faults.iter().any(|fault| fault == "TEXT is no whole number of at least 1"), "{faults:?}");
    }
}
