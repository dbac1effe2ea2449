//! The reply to `execute`: flat, as Spin makes it.

use redis::{ErrorKind, FromRedisValue, RedisError, Value};

use crate::bindings::redis::{Error, RedisResult};

/// How large a reply may be, in bytes.
const MAX_BYTES: usize = 128 << 20;

/// The elements of a reply, arrays element by element, their order kept.
#[derive(Debug)]
pub(super) struct Reply(Vec<RedisResult>);

/// The elements, unless they are too large.
pub(super) fn limited(reply: Reply) -> Result<Vec<RedisResult>, Error> {
    let bytes = |element: &RedisResult| match element {
        RedisResult::Nil | RedisResult::Int64(_) => 0,
        RedisResult::Status(text) => text.len(),
        RedisResult::Binary(bytes) => bytes.len(),
    };
    let size: usize = reply.0.iter().map(|element| size_of::<RedisResult>() + bytes(element)).sum();
    check_size(size_of::<Vec<RedisResult>>() + size).map(|()| reply.0)
}

/// Refuses a result of more than [`MAX_BYTES`] in the memory of the host.
pub(super) fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_BYTES {
        return Err(Error::Other(format!("query result exceeds limit of {MAX_BYTES} bytes")));
    }
    Ok(())
}

impl FromRedisValue for Reply {
    fn from_redis_value(value: &Value) -> Result<Self, RedisError> {
        let mut flat = Vec::new();
        flatten(value, &mut flat)?;
        Ok(Self(flat))
    }
}

fn flatten(value: &Value, flat: &mut Vec<RedisResult>) -> Result<(), RedisError> {
    flat.push(match value {
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(*number),
        Value::Boolean(flag) => RedisResult::Int64((*flag).into()),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::SimpleString(status) => RedisResult::Status(status.clone()),
        Value::BulkString(bytes) => RedisResult::Binary(bytes.clone()),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::BigNumber(digits) => RedisResult::Binary(digits.to_string().into_bytes()),
        Value::Array(values) | Value::Set(values) => {
            return values.iter().try_for_each(|value| flatten(value, flat));
        }
        Value::ServerError(error) => {
            return Err((ErrorKind::ResponseError, "Server error", format!("{error:?}")).into());
        }
        Value::Map(_) => return Err(unsupported("Map type")),
        Value::Attribute { .. } => return Err(unsupported("Attribute type")),
        Value::VerbatimString { .. } => return Err(unsupported("string with format attribute")),
        Value::Push { .. } => return Err(unsupported("Pub/Sub types")),
    });
    Ok(())
}

fn unsupported(what: &str) -> RedisError {
    let verb = if what.ends_with("types") { "are" } else { "is" };
    (ErrorKind::TypeError, "Could not convert Redis response", format!("Redis {what} {verb} not supported")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_without_a_counterpart_in_the_interface_is_an_error() {
        let reply = Value::Array(vec![Value::Int(1), Value::Map(vec![])]);
        let error = Reply::from_redis_value(&reply).unwrap_err().to_string();
        assert_eq!(error, "Could not convert Redis response - TypeError: Redis Map type is not supported");
    }

    #[test]
    fn a_reply_that_is_too_large_is_an_error() {
        let fits = Reply(vec![RedisResult::Binary(vec![0; MAX_BYTES - 1024])]);
        assert_eq!(limited(fits).unwrap().len(), 1);
        let too_large = Reply(vec![RedisResult::Binary(vec![0; MAX_BYTES])]);
        let Err(Error::Other(text)) = limited(too_large) else { panic!("it was not refused") };
        assert_eq!(text, "query result exceeds limit of 134217728 bytes");
    }
}
