//! What is packed, and from where.

use std::path::PathBuf;

use clap::Parser;

/// Packs what people download.
#[derive(Parser)]
pub(crate) struct Options {
    /// The directory to write, which must be empty, or from an earlier run.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The root of the repository.
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// The directory with the static programs.
    #[arg(long)]
    pub(crate) programs: PathBuf,
    /// The component for WASI 0.2.
    #[arg(long)]
    pub(crate) wasip2: PathBuf,
    /// The component for WASI 0.3.
    #[arg(long)]
    pub(crate) wasip3: PathBuf,
    /// The component of the web page.
    #[arg(long)]
    pub(crate) dashboard: PathBuf,
    /// The commit that is packed.
    #[arg(long)]
    pub(crate) commit: String,
    /// The time of the commit in seconds since 1970, which all files get.
    #[arg(long)]
    pub(crate) time: u32,
    /// Certificates of authorities, in PEM form, for the images.
    #[arg(long, default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub(crate) certificates: PathBuf,
}

impl Options {
    /// The time of the commit by RFC 3339.
    pub(crate) fn created(&self) -> anyhow::Result<String> {
        Ok(jiff::Timestamp::from_second(self.time.into())?.to_string())
    }
}

/// The version of everything that is packed.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The platform of the programs and images.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The programs that are packed.
pub(crate) const PROGRAMS: [&str; 4] = ["native-api", "native-worker", "emailq", "catch-all"];
