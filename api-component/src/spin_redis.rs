//! What can go wrong with Spin's outbound Redis, in the same words for each WASI.

use std::fmt;

/// Why a command has no answer.
#[derive(Debug, Clone)]
pub(crate) struct SpinRedisError {
    /// The command, or what else was tried.
    doing: &'static str,
    cause: Cause,
}

/// What Spin says.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only Spin says the others"))]
pub(crate) enum Cause {
    InvalidAddress,
    TooManyConnections,
    TypeError,
    /// Whatever the host's client says, which may be what Redis has said.
    Other(String),
}

impl SpinRedisError {
    pub(crate) fn new(doing: &'static str, cause: impl Into<Cause>) -> Self {
        Self { doing, cause: cause.into() }
    }

    /// Whether Redis does not have a script.
    pub(crate) fn is_unknown_script(&self) -> bool {
        // The client of the host may put its own words before the code that Redis gives.
        matches!(&self.cause, Cause::Other(text) if text.contains("NOSCRIPT") || text.contains("NoScript"))
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
            // A client may quote the URL, and the URL may hold a password.
            Cause::Other(text) if text.contains("://") => write!(f, "{doing}: failed"),
            Cause::Other(text) => write!(f, "{doing}: {text}"),
        }
    }
}

/// Both SDKs have types of their own for what Redis says. Puts those of one into our words, where it is called.
#[cfg(target_arch = "wasm32")]
macro_rules! understand {
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
pub(crate) use understand;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_script_is_known_by_the_words_of_redis_and_by_those_of_its_clients() {
        for text in ["NOSCRIPT No matching script.", "NoScript: No matching script.", "An error - NoScriptError: x"] {
            assert!(SpinRedisError::new("EVALSHA", Cause::Other(text.to_owned())).is_unknown_script(), "{text}");
        }
        for cause in [Cause::Other("broken pipe".to_owned()), Cause::TypeError] {
            assert!(!SpinRedisError::new("EVALSHA", cause).is_unknown_script());
        }
    }

    #[test]
    fn what_may_hold_a_password_is_not_shown() {
        let quoted = Cause::Other("cannot reach redis://:hunter2@h:6379".to_owned());
        assert_eq!(SpinRedisError::new("no connection", quoted).to_string(), "no connection: failed");
        let harmless = Cause::Other("broken pipe".to_owned());
        assert_eq!(SpinRedisError::new("PING", harmless).to_string(), "PING: broken pipe");
    }
}
