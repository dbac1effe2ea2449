//! What a check has found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Good,
    /// It may hurt later, or only some.
    Warning,
    /// Emails are lost, late or refused.
    Fault,
}

/// What a check has found, and what to do.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Its name, which scripts can look for.
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) what: String,
    pub(super) way_out: Option<String>,
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

impl Finding {
    pub(super) fn good(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Good, what: what.into(), way_out: None }
    }

    pub(super) fn warning(check: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, what: what.into(), way_out: Some(way_out.into()) }
    }

    pub(super) fn fault(check: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { check, level: Level::Fault, what: what.into(), way_out: Some(way_out.into()) }
    }
}
