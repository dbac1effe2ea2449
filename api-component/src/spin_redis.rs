//! What can go wrong with Spin's outbound Redis, in the same words for each WASI.
//!
//! What Redis says reaches the component as a text of the host's client, redis-rs, which words it in one of two ways:
//! `CODE: what Redis says`, and for codes that it knows `An error was signalled by the server - KIND: what Redis says`.
//! Whatever is neither, such as `broken pipe`, is no answer of Redis.

use std::fmt;

use api::backend::{Failure, Reached};
#[cfg(any(feature = "wasip3", test))]
use api::kept::Fault;

/// Why a command has no answer.
#[derive(Debug, Clone)]
pub(crate) struct SpinRedisError {
    /// The command, or what else was tried.
    doing: &'static str,
    cause: Cause,
    reached: Reached,
}

/// What Spin says.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(all(target_arch = "wasm32", feature = "wasip3")),
    allow(dead_code, reason = "only Spin says the others, and only WASI 0.3 has the last")
)]
pub(crate) enum Cause {
    InvalidAddress,
    TooManyConnections,
    TypeError,
    /// Whatever the host's client says, which may be what Redis has said.
    Other(String),
    /// Nobody has said anything in the time that the component waits.
    Silent,
}

impl SpinRedisError {
    /// Of a command that was sent.
    pub(crate) fn new(doing: &'static str, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        let reached = if cause.code().is_some() { Reached::Refusal } else { Reached::Unknown };
        Self { doing, cause, reached }
    }

    /// There is no connection.
    pub(crate) fn no_connection(cause: impl Into<Cause>) -> Self {
        Self { doing: "no connection", cause: cause.into(), reached: Reached::Nobody }
    }

    /// No answer came in time.
    #[cfg(any(feature = "wasip3", test))]
    pub(crate) fn silent(doing: &'static str, was_sent: bool) -> Self {
        Self { doing, cause: Cause::Silent, reached: if was_sent { Reached::Unknown } else { Reached::Nobody } }
    }

    /// Whether Redis does not have a script.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self.cause.code(), Some("NOSCRIPT" | "NoScriptError"))
    }

    /// What the error says of the connection on which it came. Under WASI 0.2 none is kept.
    #[cfg(any(feature = "wasip3", test))]
    pub(crate) fn fault(&self) -> Fault {
        match (&self.cause, self.cause.code()) {
            // A replica: it was the primary when the connection was opened, and the name may lead to another by now.
            (_, Some("READONLY" | "ReadOnly")) => Fault::WrongServer,
            (_, Some(_)) | (Cause::TypeError, _) => Fault::None,
            _ => Fault::Broken,
        }
    }
}

impl Failure for SpinRedisError {
    fn reached(&self) -> Reached {
        self.reached
    }

    fn after_loss(self) -> Self {
        Self { reached: Reached::Unknown, ..self }
    }
}

impl Cause {
    /// The code of an error that is Redis' answer, or what the host's client calls it.
    fn code(&self) -> Option<&str> {
        let Cause::Other(text) = self else { return None };
        if let Some(answer) = text.strip_prefix("An error was signalled by the server") {
            return Some(answer.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default());
        }
        let code = text.split([':', ' ']).next().filter(|code| code.len() >= 2)?;
        code.bytes().all(|b| b.is_ascii_uppercase()).then_some(code)
    }
}

impl fmt::Display for SpinRedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = self.doing;
        match &self.cause {
            Cause::InvalidAddress => write!(
                f,
                "{doing}: the address in the variable `redis_url` is not usable, or not the one in `redis_host`"
            ),
            Cause::TooManyConnections => write!(f, "{doing}: too many connections"),
            Cause::TypeError => write!(f, "{doing}: an answer of a type that the host does not know"),
            Cause::Silent => write!(f, "{doing}: no answer in time"),
            // A client may quote the URL, and the URL may hold a password.
            Cause::Other(text) if text.contains("://") => write!(f, "{doing}: failed"),
            Cause::Other(text) => write!(f, "{doing}: {text}"),
        }
    }
}

/// Both SDKs have types of their own for what Redis says. Puts those of one into our words, where it is called.
#[cfg(target_arch = "wasm32")]
macro_rules! impl_conversions {
    ($sdk:ident) => {
        impl From<$sdk::redis::Error> for crate::spin_redis::Cause {
            fn from(error: $sdk::redis::Error) -> Self {
                use $sdk::redis::Error;
                match error {
                    Error::InvalidAddress => Self::InvalidAddress,
                    Error::TooManyConnections => Self::TooManyConnections,
                    Error::TypeError => Self::TypeError,
                    Error::Other(text) => Self::Other(text),
                }
            }
        }

        fn value(result: $sdk::redis::RedisResult) -> Value {
            use $sdk::redis::RedisResult;
            match result {
                RedisResult::Nil => Value::Nil,
                RedisResult::Status(status) => Value::Status(status),
                RedisResult::Int64(number) => Value::Int(number),
                RedisResult::Binary(bytes) => Value::Bytes(bytes),
            }
        }
    };
}

#[cfg(target_arch = "wasm32")]
pub(crate) use impl_conversions;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_script_is_known_by_the_code_that_redis_gives_however_the_client_words_it() {
        for text in [
            "NOSCRIPT: No matching script.",
            "NOSCRIPT No matching script. Please use EVAL.",
            "An error was signalled by the server - NoScriptError: No matching script. Please use EVAL.",
        ] {
            assert!(error(text).is_unknown_script(), "{text}");
        }
        for text in ["broken pipe", "An error was signalled by the server - ResponseError: NOSCRIPT", "OOM: NOSCRIPT"] {
            assert!(!error(text).is_unknown_script(), "{text}");
        }
        assert!(!SpinRedisError::new("EVALSHA", Cause::TypeError).is_unknown_script());
    }

    #[test]
    fn an_answer_of_redis_keeps_the_connection_and_all_else_ends_it() {
        for text in [
            "OOM: command not allowed when used memory > 'maxmemory'. script: 0f, on @user_script:12.",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF: Redis is configured to save RDB snapshots, but is currently unable to persist on disk.",
            "WRONGTYPE: Operation against a key holding the wrong kind of value",
            "NOAUTH: Authentication required.",
            "NOPERM: User default has no permissions to run the 'evalsha' command",
            "BUSY: Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "NOREPLICAS: Not enough good replicas to write.",
            "An error was signalled by the server - BusyLoadingError: Redis is loading the dataset in memory",
            "An error was signalled by the server - MasterDown: Link with MASTER is down",
            "An error was signalled by the server - ResponseError: unknown command",
        ] {
            assert_eq!(error(text).fault(), Fault::None, "{text}");
        }
        assert_eq!(SpinRedisError::new("EVALSHA", Cause::TypeError).fault(), Fault::None);
        for text in [
            "An error was signalled by the server - ReadOnly: You can't write against a read only replica.",
            "READONLY: You can't write against a read only replica.",
        ] {
            assert_eq!(error(text).fault(), Fault::WrongServer, "{text}");
        }
        for text in [
            "broken pipe",
            "Connection reset by peer (os error 104)",
            "Connection refused (os error 111)",
            "Broken pipe (os error 32)",
            "I/O error",
            "timed out",
            "",
        ] {
            assert_eq!(error(text).fault(), Fault::Broken, "{text}");
        }
        assert_eq!(SpinRedisError::silent("EVALSHA", true).fault(), Fault::Broken);
    }

    fn error(text: &str) -> SpinRedisError {
        SpinRedisError::new("EVALSHA", Cause::Other(text.to_owned()))
    }

    #[test]
    fn what_may_hold_a_password_is_not_shown() {
        let quoted = Cause::Other("cannot reach redis://:hunter2@h:6379".to_owned());
        assert_eq!(SpinRedisError::no_connection(quoted).to_string(), "no connection: failed");
        let harmless = Cause::Other("broken pipe".to_owned());
        assert_eq!(SpinRedisError::new("PING", harmless).to_string(), "PING: broken pipe");
    }
}
