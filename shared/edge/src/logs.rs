//! JSON log lines on standard output, where Lambda picks them up.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging, and metrics, which are lines of it. Libraries speak up only in trouble: at their finer levels they show requests whole.
pub fn init() {
    crate::metrics::start();
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("edge", LevelFilter::INFO)
        .with_target("function", LevelFilter::INFO);
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // A second start, as in tests, changes nothing.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_err() {
        tracing::debug!("logging has started already");
    }
}
