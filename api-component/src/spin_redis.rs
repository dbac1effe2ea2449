//! The errors of Spin's outbound Redis, the same for each WASI.
//!
//! The component gets an error of Redis as a text of Spin's client, redis-rs, in one of two forms: `CODE: text`, and for codes
//! that the client recognises `An error was signalled by the server - KIND: text`. Any other text, such as `broken pipe`, is no
//! answer of Redis.

use std::fmt;

use api::{
    backend::{Effect, Failure},
    redis_client::Fault,
};
use email_queue::Redirect;

/// Why a command has no answer.
#[derive(Debug, Clone)]
pub(crate) struct SpinRedisError {
    /// The command, or `no connection`.
    operation: &'static str,
    /// The node to which there is no connection, if it is not the one of the URL.
    node: Option<Box<str>>,
    cause: Cause,
    effect: Effect,
}

/// The errors of Spin, and a time-out.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only Spin makes them"))]
pub(crate) enum Cause {
    InvalidAddress,
    TooManyConnections,
    TypeError,
    /// A text of Spin's client, which may hold an answer of Redis.
    Other(String),
    /// No answer came before the deadline of the component.
    TimedOut,
}

impl SpinRedisError {
    /// The error of a command that was sent.
    pub(crate) fn new(command: &'static str, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        let effect = if cause.code().is_some() { Effect::Refused } else { Effect::Unknown };
        Self { operation: command, node: None, cause, effect }
    }

    /// There is no connection to the Redis of the URL, or to this node of its cluster.
    pub(crate) fn no_connection(node: Option<&str>, cause: impl Into<Cause>) -> Self {
        Self { operation: "no connection", node: node.map(Into::into), cause: cause.into(), effect: Effect::NotSent }
    }

    /// No answer came in time.
    pub(crate) fn timed_out(command: &'static str, was_sent: bool) -> Self {
        let effect = if was_sent { Effect::Unknown } else { Effect::NotSent };
        Self { operation: command, node: None, cause: Cause::TimedOut, effect }
    }

    /// Whether Redis does not have a script.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self.cause.code(), Some("NOSCRIPT" | "NoScriptError"))
    }

    /// The redirect, if Redis has answered with one.
    pub(crate) fn redirect(&self) -> Option<Redirect> {
        let Cause::Other(text) = &self.cause else { return None };
        self.cause.code().and_then(|_| Redirect::of(text))
    }

    /// Why the connection on which the error came is not used again, if so.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match (&self.cause, self.cause.code()) {
            // A replica, which was the primary when the connection was opened. The host name may lead to the new primary by now.
            (_, Some("READONLY" | "ReadOnly")) => Some(Fault::WrongServer),
            (_, Some(_)) | (Cause::TypeError, _) => None,
            _ => Some(Fault::Broken),
        }
    }
}

impl Failure for SpinRedisError {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn after_lost_answer(self) -> Self {
        Self { effect: Effect::Unknown, ..self }
    }
}

impl Cause {
    /// The error code of an answer of Redis, or the name that Spin's client gives it.
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
        let operation = self.operation;
        if let Some(node) = &self.node {
            return match &self.cause {
                Cause::InvalidAddress => write!(
                    f,
                    "{operation} to {node}, a node of the cluster: `allowed_outbound_hosts` in the manifest has to list it"
                ),
                Cause::Other(text) if !text.contains("://") => {
                    write!(f, "{operation} to {node}, a node of the cluster: {text}")
                }
                _ => write!(f, "{operation} to {node}, a node of the cluster"),
            };
        }
        match &self.cause {
            Cause::InvalidAddress => write!(
                f,
                "{operation}: the address in the variable `redis_url` is not usable, or not the one in `redis_host`"
            ),
            Cause::TooManyConnections => write!(f, "{operation}: too many connections"),
            Cause::TypeError => write!(f, "{operation}: an answer of an unknown type"),
            Cause::TimedOut => write!(f, "{operation}: no answer in time"),
            // The text may quote the URL, which may hold a password.
            Cause::Other(text) if text.contains("://") => write!(f, "{operation}: failed"),
            Cause::Other(text) => write!(f, "{operation}: {text}"),
        }
    }
}

/// Each SDK has its own types for errors and answers of Redis. Implements the conversions from those of one.
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
            assert_eq!(error(text).fault(), None, "{text}");
        }
        assert_eq!(SpinRedisError::new("EVALSHA", Cause::TypeError).fault(), None);
        for text in [
            "An error was signalled by the server - ReadOnly: You can't write against a read only replica.",
            "READONLY: You can't write against a read only replica.",
        ] {
            assert_eq!(error(text).fault(), Some(Fault::WrongServer), "{text}");
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
            assert_eq!(error(text).fault(), Some(Fault::Broken), "{text}");
        }
        assert_eq!(SpinRedisError::timed_out("EVALSHA", true).fault(), Some(Fault::Broken));
    }

    fn error(text: &str) -> SpinRedisError {
        SpinRedisError::new("EVALSHA", Cause::Other(text.to_owned()))
    }

    #[test]
    fn only_an_answer_of_redis_is_a_redirect() {
        for (text, redirect) in [
            ("An error was signalled by the server - Moved: 3999 127.0.0.1:6381", Some("127.0.0.1:6381")),
            ("MOVED: 3999 :6381", Some(":6381")),
            ("broken pipe, MOVED 3999 127.0.0.1:6381", None),
        ] {
            let redirect = redirect.map(|address| Redirect::Moved(address.to_owned()));
            assert_eq!(error(text).redirect(), redirect, "{text}");
        }
        for text in
            ["An error was signalled by the server - Ask: 3999 127.0.0.1:6381", "CLUSTERDOWN: Hash slot not served"]
        {
            assert_eq!((error(text).redirect(), error(text).fault()), (Some(Redirect::Later), None), "{text}");
        }
    }

    #[test]
    fn a_node_that_the_manifest_does_not_list_is_named_with_the_manifest() {
        let told = SpinRedisError::no_connection(Some("10.0.0.3:6379"), Cause::InvalidAddress).to_string();
        assert!(told.contains("10.0.0.3:6379") && told.contains("allowed_outbound_hosts"), "{told}");
        let quoted = Cause::Other("cannot reach redis://:hunter2@h:6379".to_owned());
        let told = SpinRedisError::no_connection(Some("h:6379"), quoted).to_string();
        assert!(told.contains("h:6379") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn what_may_hold_a_password_is_not_shown() {
        let quoted = Cause::Other("cannot reach redis://:hunter2@h:6379".to_owned());
        assert_eq!(SpinRedisError::no_connection(None, quoted).to_string(), "no connection: failed");
        let harmless = Cause::Other("broken pipe".to_owned());
        assert_eq!(SpinRedisError::new("PING", harmless).to_string(), "PING: broken pipe");
    }
}
