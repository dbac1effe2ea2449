//! Measures the queue, and its limits in the same run. `cargo xtask bench` builds and finds all programs and starts
//! this.
//!
//! In reading order:
//!
//! - [`cli`]: the command line; [`measure`]: the measurements, one file each; [`peers`]: other queues;
//! - [`report`], [`table`], [`json`]: the figures, their targets and formats; [`machine`]: the machine;
//! - [`redis_server`], [`worker`], [`api_host`], [`smtp_sink`], [`smtp_source`]: the programs that are started;
//! - [`queue`]: fills a queue and reads its counters; [`drain`]: watches workers empty it;
//! - [`load`]: wrk; [`redis_benchmark`]; [`http`], [`smtp_acceptor`]: the two ends of a single email;
//! - [`procfs`]: what a process has used of the machine;
//! - [`samples`]: medians and percentiles.

#![forbid(unsafe_code)]

mod api_host;
mod bench;
mod cli;
mod drain;
mod host;
mod http;
mod json;
mod load;
mod machine;
mod measure;
mod peers;
mod procfs;
mod queue;
mod redis_benchmark;
mod redis_server;
mod report;
mod samples;
mod smtp_acceptor;
mod smtp_sink;
mod smtp_source;
mod table;
mod worker;

use std::fs;
use std::process::ExitCode;

use clap::Parser;
use harness::interrupt::end_children_with_us;

use crate::bench::Bench;
use crate::cli::Options;
use crate::report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.needs {
        for need in options.needs() {
            println!("{need}");
        }
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(report) if report.failures.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what was asked for, one after the other. A measurement that fails is a line of the report.
fn run(options: &Options) -> anyhow::Result<Report> {
    let directory = tempfile::Builder::new().prefix("email-queue-bench-").tempdir()?;
    let ours = directory.path().to_owned();
    end_children_with_us(move || drop(fs::remove_dir_all(ours)))?;
    let bench = Bench::new(options, directory.path())?;
    let mut report = Report::new(options.quick, machine::describe(&options.programs.redis_server)?);
    for name in options.names() {
        measure::run(name, &bench, &mut report);
    }
    if let Some(file) = &options.json {
        json::write(&report, file)?;
    }
    print!("{}", table::render(&report));
    Ok(report)
}
