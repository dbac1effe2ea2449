use std::num::NonZeroU16;

use sha2::{Digest, Sha256};

use crate::{EmailId, Queue, Shard};

/// The most shards that a queue can have: an [`EmailId`] has twelve bits for the number of its shard.
pub const MAX_SHARDS: u16 = 4096;

/// A queue that is spread over shards. Each is a whole [`Queue`] with keys of its own, which on Redis Cluster share a slot.
///
/// Shard 0 has the queue's own name, `{emails}`, and the others `{emails:1}`, `{emails:2}`. What there is once for all shards,
/// such as rate limits and the state of relays, is in shard 0. A queue of one shard is that [`Queue`], whatever its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    first: Queue,
    count: NonZeroU16,
}

impl Shards {
    /// A queue of so many shards.
    ///
    /// # Errors
    /// There are none, or too many; or the name of a queue with several is not in braces, so that the shards of one name could
    /// not be told from the keys of another.
    pub fn new(queue: Queue, count: u16) -> Result<Self, InvalidShards> {
        let count = NonZeroU16::new(count).filter(|count| count.get() <= MAX_SHARDS).ok_or(InvalidShards::Count)?;
        if count.get() > 1 && within_braces(queue.name()).is_none() {
            return Err(InvalidShards::Name);
        }
        Ok(Self { first: queue, count })
    }

    /// A queue of one shard.
    #[must_use]
    pub fn one(queue: Queue) -> Self {
        Self { first: queue, count: NonZeroU16::MIN }
    }

    /// How many there are, at least one.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count.get()
    }

    /// Shard 0, which has what there is once for all.
    #[must_use]
    pub fn first(&self) -> &Queue {
        &self.first
    }

    /// The keys of a shard.
    #[must_use]
    pub fn queue(&self, shard: Shard) -> Queue {
        match within_braces(self.first.name()).filter(|_| shard != Shard::FIRST) {
            Some(name) => Queue::named(format!("{{{name}:{shard}}}")),
            None => self.first.clone(),
        }
    }

    /// The shard behind the last one, which is in use only where another program was given more. `None` where there can be none: the name is
    /// not in braces, or there are as many as can be.
    #[must_use]
    pub fn beyond(&self) -> Option<Queue> {
        let name = within_braces(self.first.name()).filter(|_| self.count() < MAX_SHARDS)?;
        Some(Queue::named(format!("{{{name}:{}}}", self.count)))
    }

    /// All shards, in order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Shard> + ExactSizeIterator + use<> {
        (0..self.count.get()).map(Shard::new)
    }

    /// A shard by a random number: each is as likely.
    #[must_use]
    pub fn random(&self, number: u32) -> Shard {
        let count = u64::from(self.count.get());
        // Less than the count.
        Shard::new(u16::try_from((u64::from(number) * count) >> 32).unwrap_or_default())
    }

    /// The shard that an id says. Ids of the time when there was one shard say any, and those of other programs' entries in
    /// shard 0 do: an email that this shard does not have may be in [`first`](Self::first).
    #[must_use]
    pub fn of(&self, id: EmailId) -> Shard {
        Some(id.shard()).filter(|shard| shard.number() < self.count()).unwrap_or_default()
    }

    /// The shard that an id says, if these do not include it. Ids of the time when there was one shard say any, so only that shard tells
    /// whether the email is there. `None` also where there can be no more shards.
    #[must_use]
    pub fn left_out(&self, id: EmailId) -> Option<Queue> {
        self.beyond()?;
        let shard = id.shard();
        Some(self.queue(shard)).filter(|_| shard.number() >= self.count())
    }

    /// The shard of a key, always the same one. With more shards a key stays where it was, or moves to one of the new ones
    /// ([jump consistent hash](https://arxiv.org/abs/1406.2294)).
    #[must_use]
    pub fn of_key(&self, key: &str) -> Shard {
        let hash = Sha256::digest(key);
        let mut seed = hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let (mut shard, mut next) = (0, 0);
        while next < u64::from(self.count.get()) {
            shard = next;
            seed = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            // (shard + 1) * 2^31 / (a number from 1 to 2^31): larger than `shard`.
            next = ((shard + 1) << 31) / ((seed >> 33) + 1);
        }
        Shard::new(u16::try_from(shard).unwrap_or_default())
    }
}

/// The part of a name by which Redis Cluster finds its slot, if that is the whole name.
fn within_braces(name: &str) -> Option<&str> {
    let name = name.strip_prefix('{')?.strip_suffix('}')?;
    Some(name).filter(|name| !name.is_empty() && !name.contains(['{', '}']))
}

/// A queue cannot have these shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShards {
    /// There are none, or too many.
    #[error("a queue has 1 to {MAX_SHARDS} shards")]
    Count,
    /// The name is not in braces.
    #[error("the name of a queue with several shards is in braces, like {{emails}}")]
    Name,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn shards(count: u16) -> Shards {
        Shards::new("{emails}".parse().unwrap(), count).unwrap()
    }

    #[test]
    fn shard_0_has_the_name_of_the_queue_and_the_others_their_numbers() {
        let names: Vec<_> = shards(3).all().map(|shard| shards(3).queue(shard).name().to_owned()).collect();
        assert_eq!(names, ["{emails}", "{emails:1}", "{emails:2}"]);
        assert_eq!(Shards::one(Queue::default()).queue(Shard::FIRST).name(), "emails");
        assert_eq!(shards(3).beyond().unwrap().name(), "{emails:3}");
        assert_eq!(Shards::one(Queue::default()).beyond(), None);
        assert_eq!(shards(MAX_SHARDS).beyond(), None);
    }

    #[test]
    fn several_shards_need_a_name_in_braces_and_have_a_limit() {
        for name in ["emails", "{emails", "emails}", "{}", "{a}{b}", "a{b}", "{{a}}"] {
            let queue: Queue = name.parse().unwrap();
            assert_eq!(Shards::new(queue.clone(), 2), Err(InvalidShards::Name), "{name}");
            assert!(Shards::new(queue, 1).is_ok(), "{name}");
        }
        for count in [0, MAX_SHARDS + 1] {
            assert_eq!(Shards::new("{emails}".parse().unwrap(), count), Err(InvalidShards::Count));
        }
        assert_eq!(shards(MAX_SHARDS).all().len(), 4096);
    }

    #[test]
    fn an_id_says_its_shard_and_one_beyond_is_looked_for_in_shard_0() {
        let shards = shards(MAX_SHARDS);
        for shard in shards.all() {
            let id = EmailId::new().in_shard(shard);
            assert_eq!(shards.of(id), shard);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.to_string().ends_with(&format!("{:03x}", shard.number())), "{id}");
        }
        let beyond = EmailId::new().in_shard(Shard::new(7));
        assert_eq!(self::shards(7).of(beyond), Shard::FIRST);
        assert_eq!(self::shards(7).left_out(beyond).unwrap().name(), "{emails:7}");
        assert_eq!(self::shards(8).left_out(beyond), None);
        assert_eq!(Shards::one(Queue::default()).left_out(beyond), None);
    }

    #[test]
    fn any_random_number_leads_to_a_shard() {
        let reached: HashSet<_> = (0..=u32::MAX).step_by(1 << 20).map(|number| shards(6).random(number)).collect();
        assert_eq!(reached, shards(6).all().collect());
        assert_eq!((shards(6).random(u32::MAX).number(), shards(1).random(u32::MAX)), (5, Shard::FIRST));
    }

    #[test]
    fn a_key_stays_in_its_shard_or_moves_to_a_new_one() {
        let mut counts = [0; 6];
        for key in 0..6000 {
            let key = key.to_string();
            let (two, six) = (shards(2).of_key(&key), shards(6).of_key(&key));
            assert!(six == two || six.number() >= 2, "{key}: {two} to {six}");
            assert_eq!(six, shards(6).of_key(&key));
            counts[usize::from(six.number())] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(shards(1).of_key("key"), Shard::FIRST);
    }
}
