//! The shards of the queue `{emails}`, as they are in Redis and in ids.

/// The name of a shard's queue, which is also the key that says its slot.
#[must_use]
pub fn shard_queue(shard: u16) -> String {
    if shard == 0 { "{emails}".to_owned() } else { format!("{{emails:{shard}}}") }
}

/// The shard that an id says.
///
/// # Panics
/// When it is none of an email.
#[must_use]
pub fn shard_of(id: &str) -> u16 {
    let shard = id.get(33..).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    shard.unwrap_or_else(|| panic!("{id} says no shard"))
}
