use std::{fmt, str::FromStr};

use uuid::{ContextV7, Timestamp, Uuid, timestamp::context::ThreadLocalContext};

use crate::Shard;

/// The part of an id that says its shard.
const SHARD_BITS: u128 = 0xfff;

thread_local! {
    /// Keeps ids in order that are made in one go.
    static CONTEXT: ContextV7 = ContextV7::new().with_additional_precision();
}

/// The id of an email: a UUID version 7 ([RFC 9562 section 5.7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)),
/// so that ids are in order of acceptance. The twelve bits after the millisecond are a fraction of it ([method 3 of
/// section 6.2](https://www.rfc-editor.org/rfc/rfc9562#section-6.2)), because the API keeps no counter between
/// requests. Requests a microsecond apart are in order.
///
/// The last twelve bits, three digits, are random, or the number of the email's [shard](crate::Shards).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailId(Uuid);

impl EmailId {
    /// A new id, from the clock and the random source of the machine.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v7(Timestamp::now(ThreadLocalContext::new(&CONTEXT))))
    }

    /// Reads an id as it is written in Redis, where a UUID in upper case would be another key.
    pub(crate) fn from_redis(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        text.parse().ok().filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
    }

    /// The id with the number of a shard in its last twelve bits.
    #[must_use]
    pub fn in_shard(self, shard: Shard) -> Self {
        Self(Uuid::from_u128(self.0.as_u128() & !SHARD_BITS | u128::from(shard.number())))
    }

    /// The number in its last twelve bits.
    pub(crate) fn shard(self) -> Shard {
        // It fits.
        Shard::new(u16::try_from(self.0.as_u128() & SHARD_BITS).unwrap_or_default())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for EmailId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for EmailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for EmailId {
    type Err = InvalidId;

    /// Reads the usual form of 36 characters, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        uuid(text).map(Self)
    }
}

/// Reads a UUID in the usual form, and in none of the others.
pub(crate) fn uuid(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

/// The text is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID, like 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_making() {
        let ids: Vec<_> = (0..1000).map(|_| EmailId::new().to_string()).collect();
        assert!(ids.is_sorted());
    }

    /// Each on its own thread, since instances of the component share no state either.
    #[test]
    fn ids_made_by_strangers_one_after_the_other_are_in_order() {
        let id = || std::thread::spawn(EmailId::new).join().unwrap();
        let ids: Vec<_> = (0..500).map(|_| id()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = EmailId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for text in ["", "7", "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", "01890a5dac96774bbcceb302099a8057"] {
            assert_eq!(text.parse::<EmailId>(), Err(InvalidId), "{text}");
        }
    }
}
