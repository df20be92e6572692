//! When a schedule runs: the two forms that are used here, read strictly.

use std::{str::FromStr, time::Duration};

use thiserror::Error;

/// When a schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Every day at a time of the zone's clocks: `cron(0 2 * * ? *)`.
    Daily {
        /// The hour.
        hour: u8,
        /// The minute.
        minute: u8,
    },
    /// At an interval: `rate(15 minutes)`.
    Every(Duration),
}

/// An expression of another form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the schedule {0}, which nobody runs here: only cron(minute hour * * ? *) and rate(number unit)")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let schedule = match (inside("cron"), inside("rate")) {
            (Some(cron), _) => daily(cron),
            (None, Some(rate)) => every(rate),
            (None, None) => None,
        };
        schedule.ok_or_else(|| ScheduleError(text.to_owned()))
    }
}

fn daily(cron: &str) -> Option<Schedule> {
    let fields: Vec<_> = cron.split(' ').collect();
    let [minute, hour, "*", "*", "?", "*"] = fields[..] else { return None };
    let (minute, hour) = (number(minute)?, number(hour)?);
    let (hour, minute) = (u8::try_from(hour).ok()?, u8::try_from(minute).ok()?);
    (hour < 24 && minute < 60).then_some(Schedule::Daily { hour, minute })
}

fn every(rate: &str) -> Option<Schedule> {
    let (count, unit) = rate.split_once(' ')?;
    let count = number(count).filter(|count| *count > 0)?;
    let seconds = match (unit, count) {
        ("minute", 1) | ("minutes", 2..) => 60,
        ("hour", 1) | ("hours", 2..) => 3_600,
        ("day", 1) | ("days", 2..) => 86_400,
        _ => return None,
    };
    Some(Schedule::Every(Duration::from_secs(count.checked_mul(seconds)?)))
}

/// Digits, and nothing else.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_are_read_and_others_are_named() {
        let every = |seconds| Ok(Schedule::Every(Duration::from_secs(seconds)));
        assert_eq!("cron(0 2 * * ? *)".parse(), Ok(Schedule::Daily { hour: 2, minute: 0 }));
        assert_eq!("cron(59 23 * * ? *)".parse(), Ok(Schedule::Daily { hour: 23, minute: 59 }));
        assert_eq!("rate(15 minutes)".parse(), every(900));
        assert_eq!("rate(1 minute)".parse(), every(60));
        assert_eq!("rate(2 days)".parse(), every(172_800));
        let others = [
            "",
            "at(2026-11-24T02:00:00)",
            "cron(0 2 * * *)",
            "cron(0 2 ? * MON *)",
            "cron(0/5 2 * * ? *)",
            "cron(60 2 * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(+1 2 * * ? *)",
            "cron(0  2 * * ? *)",
            "rate(15)",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(15 minute)",
            "rate(15 seconds)",
            "rate(-1 minutes)",
            "rate(99999999999999999999 days)",
        ];
        for other in others {
            let error = other.parse::<Schedule>().unwrap_err();
            assert!(error.to_string().contains(other), "{error}");
        }
    }
}
