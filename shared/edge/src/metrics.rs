//! Metrics in CloudWatch's embedded format: a log line that becomes numbers, without a call.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use serde_json::json;

/// The namespace of all our metrics.
pub const NAMESPACE: &str = "Wumbo/BankConnection";

/// Nobody reads the numbers of a process that writes no log.
static STARTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn start() {
    STARTED.store(true, Ordering::Relaxed);
}

/// Writes metrics (name, unit, value) with dimensions (name, value). Dimensions are few and closed: each combination
/// is billed.
pub fn emit(dimensions: &[(&str, &str)], metrics: &[(&str, &str, u64)]) {
    if !STARTED.load(Ordering::Relaxed) {
        return;
    }
    let line = line(Timestamp::now(), dimensions, metrics);
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").is_err() {
        tracing::warn!("a metric could not be written");
    }
}

fn line(now: Timestamp, dimensions: &[(&str, &str)], metrics: &[(&str, &str, u64)]) -> String {
    let names: Vec<_> = dimensions.iter().map(|(name, _)| name).collect();
    let definitions: Vec<_> =
        metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions}],
        }
    });
    if let Some(fields) = line.as_object_mut() {
        fields.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        fields.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_embedded_format() {
        let text = line(Timestamp::UNIX_EPOCH, &[("Outcome", "finished")], &[("Syncs", "Count", 1)]);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["Syncs"], 1);
        assert_eq!(line["Outcome"], "finished");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0][0], "Outcome");
    }
}
