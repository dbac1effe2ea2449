//! What [`email_queue::call::Redis`] needs of redis-rs: commands, answers and one error. Whoever has a connection of redis-rs
//! implements the trait with it.

#![forbid(unsafe_code)]

use email_queue::call::{Command, Value};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind};

/// A command as redis-rs sends it.
#[must_use]
pub fn cmd(command: &Command<'_>) -> Cmd {
    let mut cmd = redis::cmd(command.name);
    for argument in &command.arguments {
        cmd.arg(argument);
    }
    cmd
}

/// The values of an answer, without the arrays around them.
///
/// # Errors
/// When Redis has answered with an error, or with a type that no script returns.
pub fn values(answer: redis::Value) -> RedisResult<Vec<Value>> {
    let mut values = Vec::new();
    flatten(answer.extract_error()?, &mut values)?;
    Ok(values)
}

/// Whether Redis refused an `EVALSHA` because it does not have the script
/// ([`NOSCRIPT`](https://redis.io/docs/latest/commands/evalsha/)).
#[must_use]
pub fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn flatten(value: redis::Value, values: &mut Vec<Value>) -> RedisResult<()> {
    values.push(match value {
        redis::Value::Nil => Value::Nil,
        redis::Value::Int(number) => Value::Int(number),
        redis::Value::BulkString(bytes) => Value::Bytes(bytes),
        redis::Value::SimpleString(status) => Value::Status(status),
        redis::Value::Okay => Value::Status("OK".to_owned()),
        redis::Value::Array(nested) => return nested.into_iter().try_for_each(|value| flatten(value, values)),
        _ => return Err((ErrorKind::UnexpectedReturnType, "a type that no script returns").into()),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_are_flattened_in_their_order() {
        let nested = redis::Value::Array(vec![redis::Value::Nil, redis::Value::Okay]);
        let answer = redis::Value::Array(vec![redis::Value::Int(1), nested, redis::Value::BulkString(b"x".to_vec())]);
        let expected = vec![Value::Int(1), Value::Nil, Value::Status("OK".to_owned()), Value::Bytes(b"x".to_vec())];
        assert_eq!(values(answer).ok(), Some(expected));
        assert!(values(redis::Value::Double(1.0)).is_err());
    }

    #[test]
    fn a_command_keeps_its_arguments_in_order() {
        let command =
            Command { name: "SET", arguments: vec![b"key", b"value"], marked_when_resent: false, replication: None };
        assert_eq!(cmd(&command).get_packed_command(), b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n");
    }
}
