//! nginx, which a test puts before the native server.

use std::path::Path;
use std::process::Command;

use crate::install::test_tools::succeeds;
use crate::install::unpacked::Unpacked;

/// Debian's package.
pub(crate) const NGINX: Unpacked = Unpacked { package: "nginx", variable: "NGINX_ROOT", runs };

fn runs(root: &Path) -> bool {
    succeeds(Command::new(root.join("usr/sbin/nginx")).arg("-v"))
}
