//! The emails that this worker has claimed and whose outcome Redis has not recorded yet.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use email_queue::{EmailId, transition::ClaimRef};

use crate::transport::Handoff;

/// All emails in flight, by id.
#[derive(Default)]
pub(crate) struct InFlight {
    emails: Mutex<Emails>,
}

#[derive(Default)]
struct Emails {
    by_id: HashMap<EmailId, Held>,
    /// How many have been taken, which is what their order is told by.
    taken: u64,
}

struct Held {
    claim: ClaimRef,
    place: u64,
    handoff: Handoff,
    concluded: bool,
    lost: bool,
    since: Instant,
    /// Whether it has been told that it takes long.
    told: bool,
}

/// What is left when a worker ends.
#[derive(Default)]
pub(crate) struct Left {
    /// Nothing of these has reached the transport: another worker may send them at once. In the order of claiming.
    pub(crate) untouched: Vec<ClaimRef>,
    /// These may have been sent in part or in full: better to wait for the end of their lease than to send them twice
    /// at the same time.
    pub(crate) uncertain: Vec<ClaimRef>,
}

impl InFlight {
    /// Takes an email into the hand, and returns what the transport is to commit itself on.
    ///
    /// `None` when it is in flight already: its lease was over while Redis was away, it was requeued, and came back
    /// to us. Then the delivery that is in progress counts for the new claim, instead of a second one beside it.
    pub(crate) fn take(&self, claim: ClaimRef) -> Option<Handoff> {
        let mut emails = self.emails();
        if let Some(held) = emails.by_id.get_mut(&claim.id) {
            held.claim = claim;
            held.lost = false;
            return None;
        }
        emails.taken += 1;
        let (place, handoff) = (emails.taken, Handoff::default());
        let held = Held {
            claim,
            place,
            handoff: handoff.clone(),
            concluded: false,
            lost: false,
            since: Instant::now(),
            told: false,
        };
        emails.by_id.insert(claim.id, held);
        Some(handoff)
    }

    /// The claim under which an email is in flight.
    pub(crate) fn claim(&self, id: EmailId) -> Option<ClaimRef> {
        self.emails().by_id.get(&id).map(|held| held.claim)
    }

    /// All claims, whose leases are to be renewed.
    pub(crate) fn claims(&self) -> Vec<ClaimRef> {
        self.emails().by_id.values().map(|held| held.claim).collect()
    }

    /// Notes that the transport has done what it could; only the recording is left.
    pub(crate) fn conclude(&self, id: EmailId) {
        if let Some(held) = self.emails().by_id.get_mut(&id) {
            held.concluded = true;
        }
    }

    /// Notes that a lease was not renewed because the email is no longer ours. True when that is news: not when the
    /// email has just been recorded, nor the second time.
    pub(crate) fn lose(&self, claim: ClaimRef) -> bool {
        let mut emails = self.emails();
        match emails.by_id.get_mut(&claim.id) {
            Some(held) if held.claim == claim && !held.concluded => !std::mem::replace(&mut held.lost, true),
            _ => false,
        }
    }

    /// The emails whose delivery has been in progress for longer than this; each is told of once.
    pub(crate) fn slow(&self, long: Duration) -> Vec<ClaimRef> {
        let mut emails = self.emails();
        let slow =
            emails.by_id.values_mut().filter(|held| !held.concluded && !held.told && held.since.elapsed() > long);
        slow.map(|held| {
            held.told = true;
            held.claim
        })
        .collect()
    }

    /// Lets go of an email that is recorded under this claim, or lost. False when it has come back under a newer one.
    pub(crate) fn remove(&self, claim: ClaimRef) -> bool {
        let mut emails = self.emails();
        let newer = emails.by_id.get(&claim.id).is_some_and(|held| held.claim != claim);
        if !newer {
            emails.by_id.remove(&claim.id);
        }
        !newer
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.emails().by_id.is_empty()
    }

    /// What is left. Only for when no delivery runs any more.
    pub(crate) fn left(&self) -> Left {
        let emails = self.emails();
        let mut held: Vec<&Held> = emails.by_id.values().collect();
        held.sort_by_key(|held| held.place);
        let (uncertain, untouched) = held.into_iter().partition(|held| held.concluded || held.handoff.has_begun());
        let claims = |held: Vec<&Held>| held.into_iter().map(|held| held.claim).collect();
        Left { untouched: claims(untouched), uncertain: claims(uncertain) }
    }

    fn emails(&self) -> MutexGuard<'_, Emails> {
        // Nothing panics under the lock, and each change is a single one.
        self.emails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: u64) -> ClaimRef {
        ClaimRef { id: EmailId::new(), number }
    }

    #[test]
    fn an_email_that_comes_back_is_not_delivered_a_second_time_beside_the_first() {
        let in_flight = InFlight::default();
        let first = claim(1);
        assert!(in_flight.take(first).is_some());
        let second = ClaimRef { number: 2, ..first };
        assert!(in_flight.take(second).is_none());
        assert_eq!(in_flight.claims(), [second]);
        assert!(!in_flight.remove(first), "the outcome is to be recorded under the newer claim");
        assert!(in_flight.remove(second));
        assert!(in_flight.is_empty());
    }

    #[test]
    fn what_the_transport_has_not_committed_itself_on_can_be_given_back_in_order() {
        let in_flight = InFlight::default();
        let claims: Vec<_> = (1..=4).map(claim).collect();
        let handoffs: Vec<_> = claims.iter().map(|claim| in_flight.take(*claim).unwrap()).collect();
        handoffs[1].begin();
        in_flight.conclude(claims[2].id);
        let left = in_flight.left();
        assert_eq!(left.untouched, [claims[0], claims[3]]);
        assert_eq!(left.uncertain, [claims[1], claims[2]]);
    }

    #[test]
    fn a_delivery_that_takes_long_is_told_of_once_and_not_after_its_end() {
        let in_flight = InFlight::default();
        let (slow, concluded) = (claim(1), claim(1));
        in_flight.take(slow);
        in_flight.take(concluded);
        in_flight.conclude(concluded.id);
        assert!(in_flight.slow(Duration::from_secs(60)).is_empty());
        assert_eq!(in_flight.slow(Duration::ZERO), [slow]);
        assert!(in_flight.slow(Duration::ZERO).is_empty());
    }

    #[test]
    fn a_lost_lease_is_news_once_and_only_before_the_outcome_is_known() {
        let in_flight = InFlight::default();
        let (lost, concluded) = (claim(1), claim(1));
        in_flight.take(lost);
        in_flight.take(concluded);
        in_flight.conclude(concluded.id);
        assert!(in_flight.lose(lost));
        assert!(!in_flight.lose(lost));
        assert!(!in_flight.lose(concluded));
    }
}
