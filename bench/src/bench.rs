//! The context of a measurement.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cli::{Options, Programs};
use crate::host::Host;

/// The programs to measure, how thoroughly, and a directory for what they leave behind.
pub(crate) struct Bench<'a> {
    quick: bool,
    pub(crate) programs: &'a Programs,
    pub(crate) host: Host,
    /// As the rows of the report say it.
    pub(crate) host_name: String,
    /// Ours alone; it is removed at the end.
    pub(crate) directory: PathBuf,
    started: Instant,
}

impl<'a> Bench<'a> {
    /// # Errors
    /// There is no such host.
    pub(crate) fn new(options: &'a Options, directory: &Path) -> anyhow::Result<Bench<'a>> {
        Ok(Bench {
            quick: options.quick,
            programs: &options.programs,
            host: options.host,
            host_name: options.host.name(&options.programs.spin)?,
            directory: directory.to_owned(),
            started: Instant::now(),
        })
    }

    /// The same with other programs.
    pub(crate) fn with<'b>(&self, programs: &'b Programs) -> Bench<'b> {
        let Bench { quick, programs: _, host, host_name, directory, started } = self;
        let (host_name, directory) = (host_name.clone(), directory.clone());
        Bench { quick: *quick, programs, host: *host, host_name, directory, started: *started }
    }

    /// Chooses a count or a time: full or quick.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Prints progress.
    pub(crate) fn say(&self, what: &str) {
        eprintln!("[{:>4} s] {what}", self.started.elapsed().as_secs());
    }
}
