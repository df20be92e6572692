//! A schedule as an event source: waits for its times and runs its function, as EventBridge Scheduler and Lambda do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use emulators::Emulators;
use jiff::{
    Timestamp,
    civil::Date,
    tz::{AmbiguousOffset, TimeZone},
};
use serde_json::{Value, json};
use template::Schedule;

use crate::{
    names,
    output::Output,
    pool::{Ended, Pool},
};

/// What Scheduler replaces by the time that a schedule was set for.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
pub(crate) const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";
/// Lambda runs what failed again, after a minute and after two more.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// However the time is scaled, no schedule runs more often.
const SHORTEST: Duration = Duration::from_secs(1);
/// A clock that was set, or a machine that slept, is noticed after so long.
const LOOK: Duration = Duration::from_secs(20);

/// One schedule of a function.
pub(crate) struct ScheduleSource {
    pub(crate) when: Schedule,
    pub(crate) zone: TimeZone,
    pub(crate) input: String,
    /// The queue of what failed for good.
    pub(crate) dead_letters: Option<String>,
    /// Divides intervals and waits; what runs at a time of day runs at that time.
    pub(crate) time_scale: u32,
    pub(crate) pool: Arc<Pool>,
    pub(crate) services: Arc<Emulators>,
    pub(crate) output: Arc<Output>,
}

impl ScheduleSource {
    /// Runs the function at its times until the task is stopped.
    pub(crate) async fn run(self) {
        let source = Arc::new(self);
        let mut last = Timestamp::now();
        while let Some(next) = next(source.when, source.time_scale, &source.zone, last) {
            sleep_until(next).await;
            last = next.max(Timestamp::now());
            tokio::spawn(source.clone().fire(next));
        }
    }

    async fn fire(self: Arc<Self>, at: Timestamp) {
        let event = self.input.replace(SCHEDULED_TIME, &format!("{at:.0}"));
        for after in AGAIN_AFTER.into_iter().map(Some).chain([None]) {
            let invoked = self.pool.invoke(Bytes::from(event.clone())).await;
            let why = match invoked.ended {
                Ended::Answer(answer) => {
                    let answer = String::from_utf8_lossy(&answer);
                    let ms = invoked.took.as_millis();
                    self.output.say(&format!("schedule → {} {answer} {ms} ms", self.pool.name()));
                    return;
                }
                Ended::Error(error) => String::from_utf8_lossy(&error).into_owned(),
                Ended::Crashed(why) => why,
                Ended::TimedOut => "timed out".to_owned(),
            };
            self.output.say(&format!("schedule → {} failed: {why}", self.pool.name()));
            match after {
                Some(after) => tokio::time::sleep(after / self.time_scale.max(1)).await,
                None => self.put_aside(&event, &why).await,
            }
        }
    }

    /// The record that Lambda makes of an event whose runs all failed.
    async fn put_aside(&self, event: &str, why: &str) {
        let Some(queue) = &self.dead_letters else { return };
        let event: Value = serde_json::from_str(event).unwrap_or(Value::Null);
        let body = json!({
            "version": "1.0",
            "timestamp": Timestamp::now(),
            "requestContext": {
                "functionArn": names::function_arn(self.pool.name()),
                "condition": "RetriesExhausted",
                "approximateInvokeCount": AGAIN_AFTER.len() + 1,
            },
            "requestPayload": event,
            "responsePayload": {"errorMessage": why},
        });
        let request = json!({"QueueUrl": names::queue_url(queue), "MessageBody": body.to_string()});
        if let Err(error) = self.services.ask("AmazonSQS.SendMessage", &request).await {
            self.output.say(&format!("queue {queue}: {error}"));
        }
    }
}

async fn sleep_until(at: Timestamp) {
    loop {
        let left = domain::time::until(Timestamp::now(), at);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// The first time after `last`; `None` at the end of time.
fn next(when: Schedule, time_scale: u32, zone: &TimeZone, last: Timestamp) -> Option<Timestamp> {
    match when {
        Schedule::Every(interval) => last.checked_add((interval / time_scale.max(1)).max(SHORTEST)).ok(),
        Schedule::Daily { hour, minute } => {
            let mut date = last.to_zoned(zone.clone()).date();
            loop {
                if let Some(at) = at(zone, date, hour, minute).filter(|at| *at > last) {
                    return Some(at);
                }
                date = date.tomorrow().ok()?;
            }
        }
    }
}

/// The moment at which the clocks show a time: none if they jump over it, the first of two.
fn at(zone: &TimeZone, date: Date, hour: u8, minute: u8) -> Option<Timestamp> {
    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
    let moment = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
    let is_gap = matches!(moment.offset(), AmbiguousOffset::Gap { .. });
    if is_gap { None } else { moment.earlier().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(when: &str, zone: &str, last: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        next(when.parse().unwrap(), 1, &zone, last.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_time_of_day_comes_once_a_day_by_the_zones_clocks() {
        let night = |zone, last| after("cron(0 2 * * ? *)", zone, last);
        assert_eq!(night("America/Phoenix", "2026-11-24T08:59:59Z"), "2026-11-24T09:00:00Z");
        assert_eq!(night("America/Phoenix", "2026-11-24T09:00:00Z"), "2026-11-25T09:00:00Z");
        assert_eq!(night("Europe/Berlin", "2026-07-01T00:00:00Z"), "2026-07-02T00:00:00Z");
    }

    #[test]
    fn a_time_that_the_clocks_jump_over_does_not_come_and_one_that_comes_twice_comes_once() {
        let night = |last| after("cron(0 2 * * ? *)", "America/New_York", last);
        // On 8 March 2026 the clocks go from 01:59 to 03:00.
        assert_eq!(night("2026-03-07T07:00:00Z"), "2026-03-09T06:00:00Z");
        let half_past_one = |last| after("cron(30 1 * * ? *)", "America/New_York", last);
        // On 1 November 2026 they go from 01:59 back to 01:00.
        assert_eq!(half_past_one("2026-10-31T12:00:00Z"), "2026-11-01T05:30:00Z");
        assert_eq!(half_past_one("2026-11-01T05:30:00Z"), "2026-11-02T06:30:00Z");
    }

    #[test]
    fn an_interval_is_divided_by_the_time_scale() {
        let every = |scale| {
            let when = "rate(15 minutes)".parse().unwrap();
            next(when, scale, &TimeZone::UTC, Timestamp::UNIX_EPOCH).unwrap().as_second()
        };
        assert_eq!([1, 60, 10_000].map(every), [900, 15, 1]);
    }
}
