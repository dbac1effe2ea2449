//! The flags that say where Redis is.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use crate::{
    certificates::CertificateFiles,
    url::{DEFAULT_REDIS_URL, InvalidUrl, RedisUrl},
};

/// Flags and environment variables.
#[derive(Clone, Args)]
pub struct RedisFlags {
    // Parsed after clap, which would print a wrong one with its password.
    #[arg(
        help = "Where Redis is: redis://[user:password@]host[:port][/db], rediss:// for TLS, or redis+sentinel://[user:password@]host,host,host/MASTER",
        long, env = "EMAIL_QUEUE_REDIS_URL", value_name = "URL", default_value = DEFAULT_REDIS_URL, hide_env_values = true)]
    redis_url: String,

    /// With rediss://, a file of the authorities (PEM) to trust instead of the system's. This and the next two files are read
    /// again when a connection is opened, so that certificates are renewed without a restart.
    #[arg(long, env = "EMAIL_QUEUE_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<OsString>,

    /// A file with this program's certificate (PEM), for a Redis that asks clients for one.
    #[arg(long, env = "EMAIL_QUEUE_REDIS_CERT", value_name = "FILE")]
    redis_cert: Option<OsString>,

    /// A file with the private key of that certificate (PEM).
    #[arg(long, env = "EMAIL_QUEUE_REDIS_KEY", value_name = "FILE")]
    redis_key: Option<OsString>,
}

impl RedisFlags {
    /// The URL.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn url(&self) -> Result<RedisUrl, InvalidUrl> {
        self.redis_url.parse()
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> CertificateFiles {
        // Deployments may set a variable to nothing where it is not needed.
        let path = |file: &Option<OsString>| file.clone().filter(|file| !file.is_empty()).map(PathBuf::from);
        CertificateFiles {
            authorities: path(&self.redis_ca),
            certificate: path(&self.redis_cert),
            key: path(&self.redis_key),
        }
    }
}
