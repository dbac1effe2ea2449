//! What scripts learn of the result.

use std::process::ExitCode;

use crate::redis_client::Unanswered;

/// The exit codes; `--help` lists them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, or a part of it has; what was done stays done
  3    there is no such email, or nothing matches
  4    Redis cannot be reached, or does not answer
  64   a flag, a setting or a file that was named cannot be used
  130  broken off by Ctrl-C; each command can be repeated";

/// The exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// How a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Done,
    /// There is no such email, or nothing matches.
    NothingFound,
    Failed,
    Unreachable,
    Interrupted,
}

impl Exit {
    /// How a command ends whose parts have ended so: as they did if that is the same, otherwise a part has failed.
    pub(crate) fn of_parts(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or(Self::Done);
        if parts.all(|part| part == first) { first } else { Self::Failed }
    }

    /// How a command ends with this error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Unanswered>() {
            Some(unanswered) if unanswered.is_unreachable() => Self::Unreachable,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::NothingFound => 3,
            Exit::Unreachable => 4,
            Exit::Interrupted => INTERRUPTED,
        })
    }
}
