//! The choice of a transport, by its URL.

use std::{fmt, path::PathBuf};

use smtp_client::Options;

use crate::invalid_config::InvalidConfig;

/// The transport's configuration. Printed without secrets.
#[derive(Debug, Clone)]
pub enum TransportConfig {
    /// `log:` prints each email on standard output.
    Log,
    /// `file:DIR` writes each email into a file `<id>.eml` of this directory, which is made if need be.
    File(PathBuf),
    /// `null:` counts emails and sends none.
    Null,
    /// `smtp://` and `smtps://`.
    Smtp(Box<smtp_client::Config>),
}

impl TransportConfig {
    /// Reads the URL of a transport.
    ///
    /// # Errors
    /// Says what is wrong, without any part of the URL that may be secret.
    pub fn parse(url: &str, smtp: Options) -> Result<Self, InvalidConfig> {
        if matches!(url, "log:" | "log://" | "log") {
            return Ok(Self::Log);
        }
        if matches!(url, "null:" | "null://" | "null") {
            return Ok(Self::Null);
        }
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(InvalidConfig("the transport file:DIR needs a directory".to_owned()));
            }
            return Ok(Self::File(path.into()));
        }
        let scheme = url.split(':').next().unwrap_or_default();
        if !["smtp", "smtps"].iter().any(|smtp| smtp.eq_ignore_ascii_case(scheme)) {
            let known = "the transport's URL is not log:, null:, file:DIR, smtp://host or smtps://host";
            return Err(InvalidConfig(known.to_owned()));
        }
        let smtp = smtp_client::Config::parse(url, smtp).map_err(|error| InvalidConfig(error.to_string()))?;
        Ok(Self::Smtp(Box::new(smtp)))
    }
}

impl fmt::Display for TransportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("log:"),
            Self::File(directory) => write!(f, "file:{}", directory.display()),
            Self::Null => f.write_str("null:"),
            Self::Smtp(smtp) => smtp.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<TransportConfig, InvalidConfig> {
        TransportConfig::parse(url, Options::default())
    }

    #[test]
    fn a_transport_is_chosen_by_its_scheme() {
        assert_eq!(parse("log:").unwrap().to_string(), "log:");
        assert_eq!(parse("file:.data/outbox").unwrap().to_string(), "file:.data/outbox");
        assert_eq!(parse("file:///var/mail").unwrap().to_string(), "file:/var/mail");
        assert_eq!(parse("null:").unwrap().to_string(), "null:");
        assert_eq!(parse("smtp://relay.example").unwrap().to_string(), "smtp://relay.example:25");
    }

    #[test]
    fn a_url_of_no_transport_is_refused() {
        for url in ["", "file:", "http://relay.example", "relay.example:25", "smtp:"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
