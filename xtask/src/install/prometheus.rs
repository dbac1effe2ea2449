//! Prometheus' `promtool`, which judges the worker's metrics and the alert rules.

use std::path::Path;
use std::process::Command;

use crate::install::test_tools::succeeds;
use crate::install::unpacked::Unpacked;

/// Debian's package.
pub(crate) const PROMETHEUS: Unpacked = Unpacked { package: "prometheus", variable: "PROMETHEUS_ROOT", runs };

fn runs(root: &Path) -> bool {
    succeeds(Command::new(root.join("usr/bin/promtool")).arg("--version"))
}
