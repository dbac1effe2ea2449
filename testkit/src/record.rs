//! Reads the emails of the queue `emails` from Redis with plain commands.

use redis::{Commands, Connection, FromRedisValue, RedisResult};

/// All emails, oldest first.
pub fn ids(redis: &mut Connection) -> Vec<String> {
    let mut ids = Vec::new();
    for first in answer::<Vec<String>>(redis.zrange("emails:index", 0, -1)) {
        ids.extend(answer::<Vec<String>>(redis.lrange(format!("emails:index:{first}"), 0, -1)));
    }
    ids.sort();
    ids
}

/// A column of an email's record, or what its last failure left: `error` and `accepted`. A number that is 0 is none.
pub fn field(redis: &mut Connection, id: &str, field: &str) -> Option<String> {
    const COLUMNS: [&str; 7] = ["state", "when", "claims", "attempts", "recovered", "lane", "created"];
    let Some(column) = COLUMNS.iter().position(|&column| column == field) else {
        return answer(redis.hget(format!("emails:failure:{id}"), field));
    };
    let header = header(redis, id);
    let value = header.split_ascii_whitespace().nth(column).map(|value| value.trim_start_matches('0'));
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The header of a record; empty if there is no record.
pub fn header(redis: &mut Connection, id: &str) -> String {
    let beginning: Vec<u8> = answer(redis.getrange(format!("emails:email:{id}"), 0, 90));
    let line = beginning.split(|&byte| byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// The email of a record, which is JSON unless another program has pushed something else.
pub fn email(redis: &mut Connection, id: &str) -> Option<Vec<u8>> {
    let record: Vec<u8> = answer::<Option<Vec<u8>>>(redis.get(format!("emails:email:{id}")))?;
    let end = record.iter().position(|&byte| byte == b'\n')?;
    Some(record[end + 1..].to_vec())
}

fn answer<T: FromRedisValue>(answer: RedisResult<T>) -> T {
    answer.unwrap_or_else(|error| panic!("the test cannot ask Redis: {error}"))
}
