//! The flags of what the URL of a server leaves out.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::config::Options;

/// Flags and environment variables.
#[derive(Clone, Args)]
pub struct SmtpFlags {
    /// The user to authenticate as, if the transport's URL names none.
    #[arg(long, env = "EMAIL_QUEUE_SMTP_USERNAME", value_name = "NAME", hide_env_values = true)]
    smtp_username: Option<String>,

    /// The password of that user.
    #[arg(long, env = "EMAIL_QUEUE_SMTP_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    smtp_password: Option<String>,

    /// A file of certificates (PEM) to trust in addition to the system's, for TLS to the SMTP server.
    #[arg(long, env = "EMAIL_QUEUE_SMTP_CA_FILE", value_name = "FILE")]
    smtp_ca_file: Option<PathBuf>,
}

impl SmtpFlags {
    /// The settings, with this time limit for a reply.
    #[must_use]
    pub fn options(&self, timeout: Duration) -> Options {
        // Deployments may set a variable to nothing where it is not needed.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Options {
            username: given(&self.smtp_username),
            password: given(&self.smtp_password),
            ca_file: self.smtp_ca_file.clone().filter(|file| !file.as_os_str().is_empty()),
            timeout,
        }
    }
}
