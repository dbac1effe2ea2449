//! The report as a file for programs.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::report::Report;

/// # Errors
/// The file cannot be written.
pub(crate) fn write(report: &Report, file: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    fs::write(file, json + "\n").with_context(|| format!("cannot write {}", file.display()))
}
