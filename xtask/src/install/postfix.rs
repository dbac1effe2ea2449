//! Postfix, which the tests start instances of, and the benches take programs from.

use std::path::Path;
use std::process::Command;

use crate::install::test_tools::succeeds;
use crate::install::unpacked::Unpacked;

/// Debian's package.
pub(crate) const POSTFIX: Unpacked = Unpacked { package: "postfix", variable: "POSTFIX_ROOT", runs };

fn runs(root: &Path) -> bool {
    let mut postconf = Command::new(root.join("usr/sbin/postconf"));
    postconf.env("LD_LIBRARY_PATH", root.join("usr/lib/postfix")).args(["-d", "mail_version"]);
    root.join("usr/lib/postfix/sbin/master").exists() && succeeds(&mut postconf)
}
