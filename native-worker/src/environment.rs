//! The names that environment variables had before they began with `EMAIL_QUEUE_`.

use std::env;

use clap::{ArgMatches, Command, Id, parser::ValueSource};

const PREFIX: &str = "EMAIL_QUEUE_";

/// Those names. A variable that is newer never had another name.
const OLD: [&str; 20] = [
    "CONCURRENCY",
    "DEFAULT_FROM",
    "DRAIN",
    "GRACE",
    "LEASE",
    "LOG_FORMAT",
    "MAX_ATTEMPTS",
    "MAX_MEMORY",
    "POP_GRACE",
    "QUEUE",
    "REDIS_URL",
    "RETENTION",
    "RETRY_BASE",
    "RETRY_FOR",
    "RETRY_MAX",
    "SMTP_CA_FILE",
    "SMTP_PASSWORD",
    "SMTP_TIMEOUT",
    "SMTP_USERNAME",
    "TRANSPORT",
];

/// A variable that is set by its old name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldName {
    /// The name that is set.
    pub old: String,
    /// The name to set instead.
    pub new: String,
}

/// Makes a flag read its old variable if the new one is unset.
pub(crate) fn with_old_names(mut command: Command) -> (Command, Vec<(Id, OldName)>) {
    let old_name = |new: &str| {
        let old = new.strip_prefix(PREFIX).filter(|old| OLD.contains(old))?;
        Some(OldName { old: old.to_owned(), new: new.to_owned() })
    };
    let old_names: Vec<_> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_id().clone(), old_name(arg.get_env()?.to_str()?)?)))
        .filter(|(_, OldName { old, new })| env::var_os(new).is_none() && env::var_os(old).is_some())
        .collect();
    for (id, OldName { old, .. }) in &old_names {
        command = command.mut_arg(id, |arg| arg.env(old.clone()));
    }
    (command, old_names)
}

/// Those old names that counted: no flag was given in their place.
pub(crate) fn used(old_names: Vec<(Id, OldName)>, matches: &ArgMatches) -> Vec<OldName> {
    let is_used = |id: &Id| matches.value_source(id.as_str()) == Some(ValueSource::EnvVariable);
    old_names.into_iter().filter(|(id, _)| is_used(id)).map(|(_, name)| name).collect()
}
