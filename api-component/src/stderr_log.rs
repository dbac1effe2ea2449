//! What the handlers log, on standard error: Spin shows it, and keeps it in the component's log file.

use log::{LevelFilter, Log, Metadata, Record};

/// Begins logging, once for each instance.
pub(crate) fn begin() {
    log::set_max_level(LevelFilter::Info);
    // Refused where an earlier request of this instance has begun it.
    let _begun = log::set_logger(&StandardError);
}

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{}", record.args());
    }

    fn flush(&self) {}
}
