//! The measurements: each starts what it needs, measures, and leaves figures and nothing else.

mod against;
mod api;
mod cluster;
mod drain;
mod idle;
mod latency;
mod limits;
mod memory;
mod scale;
mod smtp;
mod steer;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::anyhow;
use clap::ValueEnum;

use crate::bench::Bench;
use crate::cli::Name;
use crate::peers;
use crate::report::{Failure, Report, Row};

/// Makes one measurement. What it had found before it failed is reported too.
pub(crate) fn run(name: Name, bench: &Bench<'_>, report: &mut Report) {
    let measure = match name {
        Name::Limits => limits::measure,
        Name::Drain => drain::measure,
        Name::Smtp => smtp::measure,
        Name::Api => api::measure,
        Name::Latency => latency::measure,
        Name::Memory => memory::measure,
        Name::Idle => idle::measure,
        Name::Scale => scale::measure,
        Name::Steer => steer::measure,
        Name::Cluster => cluster::measure,
        Name::Against => against::measure,
        Name::Peers => peers::compare::measure,
    };
    let measurement = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut rows = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| measure(bench, &mut rows)));
    if let Err(error) = outcome.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic)))) {
        bench.say(&format!("{measurement}: FAILED: {error:#}"));
        report.failures.push(Failure { measurement: measurement.clone(), error: format!("{error:#}") });
    }
    report.rows.extend(rows.into_iter().map(|row| Row { measurement: measurement.clone(), ..row }));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
