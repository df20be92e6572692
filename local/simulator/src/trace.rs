//! What happened, for whoever looks at a schedule that failed.

use crate::time::Time;

/// Prints, if it is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(pub(crate) bool);

impl Trace {
    #[expect(clippy::print_stdout, reason = "the trace is for a person at a terminal")]
    pub(crate) fn line(self, time: &Time, text: impl FnOnce() -> String) {
        if self.0 {
            println!("{:>9} {}", time.now_ms(), text());
        }
    }
}
