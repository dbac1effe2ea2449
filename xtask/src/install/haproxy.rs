//! HAProxy, which a test puts before Redis with Sentinel.

use std::path::Path;
use std::process::Command;

use crate::install::test_tools::succeeds;
use crate::install::unpacked::Unpacked;

/// Debian's package.
pub(crate) const HAPROXY: Unpacked = Unpacked { package: "haproxy", variable: "HAPROXY_ROOT", runs };

fn runs(root: &Path) -> bool {
    succeeds(Command::new(root.join("usr/sbin/haproxy")).arg("-v"))
}
