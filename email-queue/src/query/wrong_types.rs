use crate::{
    Queue,
    call::{Answer, Call, CallError, Redis, UnexpectedAnswer, Value},
};

/// A key of a queue that another program has given a type with which the queue cannot use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongType {
    /// The key.
    pub key: String,
    /// The type that it has.
    pub found: String,
    /// The type that it should have.
    pub expected: &'static str,
}

/// Looks for keys of a queue or shard that have a wrong type, among those that [exist once](Queue::types): one call for each of these.
///
/// # Errors
/// As [`Call::run`]; the user of Redis may lack the right to ask.
pub async fn wrong_types<R: Redis>(redis: &R, queue: &Queue) -> Result<Vec<WrongType>, CallError<R::Error>> {
    let mut wrong = Vec::new();
    for (key, expected) in queue.types() {
        let found = type_of(&key).run(redis).await?;
        if found != "none" && found != expected {
            wrong.push(WrongType { key, found, expected });
        }
    }
    Ok(wrong)
}

/// [`TYPE`](https://redis.io/docs/latest/commands/type/).
fn type_of(key: &str) -> Call<String> {
    let read = |answer: &mut Answer| match answer.next()? {
        Value::Status(name) => Ok(name),
        // As a proxy may send it.
        Value::Bytes(name) => String::from_utf8(name).map_err(|_| UnexpectedAnswer),
        _ => Err(UnexpectedAnswer),
    };
    Call::plain("TYPE", read).argument(key)
}
