//! The emails that this worker has claimed and whose result Redis has not recorded yet.

use std::{
    collections::{HashMap, hash_map::Entry},
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
    by_id: HashMap<EmailId, Tracked>,
    /// How many have been tracked.
    count: u64,
}

struct Tracked {
    claim: ClaimRef,
    /// The number of this email among all that were tracked.
    sequence: u64,
    handoff: Handoff,
    ended: bool,
    lost: bool,
    since: Instant,
    /// Whether it was reported as slow.
    reported: bool,
}

/// The emails in flight when a worker ends.
#[derive(Default)]
pub(crate) struct Left {
    /// Not handed over: another worker may send them at once. In the order of claiming.
    pub(crate) untouched: Vec<ClaimRef>,
    /// Perhaps sent, in part or in full. They are not released, but requeued when the lease expires.
    pub(crate) uncertain: Vec<ClaimRef>,
}

impl InFlight {
    /// Tracks an email, and returns its handoff.
    ///
    /// `None` when it is in flight already: its lease was over while Redis was unreachable, it was requeued, and this worker
    /// claimed it again. Then the delivery in progress counts for the new claim.
    pub(crate) fn track(&self, claim: ClaimRef) -> Option<Handoff> {
        let Emails { by_id, count } = &mut *self.emails();
        match by_id.entry(claim.id) {
            Entry::Occupied(mut tracked) => {
                let tracked = tracked.get_mut();
                tracked.claim = claim;
                tracked.lost = false;
                None
            }
            Entry::Vacant(place) => {
                *count += 1;
                let handoff = Handoff::default();
                place.insert(Tracked {
                    claim,
                    sequence: *count,
                    handoff: handoff.clone(),
                    ended: false,
                    lost: false,
                    since: Instant::now(),
                    reported: false,
                });
                Some(handoff)
            }
        }
    }

    /// The claim under which an email is in flight.
    pub(crate) fn claim(&self, id: EmailId) -> Option<ClaimRef> {
        self.emails().by_id.get(&id).map(|tracked| tracked.claim)
    }

    /// All claims, whose leases are to be renewed.
    pub(crate) fn claims(&self) -> Vec<ClaimRef> {
        self.emails().by_id.values().map(|tracked| tracked.claim).collect()
    }

    /// Notes that the delivery has ended; only its recording is left.
    pub(crate) fn end(&self, id: EmailId) {
        if let Some(tracked) = self.emails().by_id.get_mut(&id) {
            tracked.ended = true;
        }
    }

    /// Records that a lease was lost. True if this is new: not if the email has just been recorded, nor the second
    /// time.
    pub(crate) fn lose(&self, claim: ClaimRef) -> bool {
        let mut emails = self.emails();
        match emails.by_id.get_mut(&claim.id) {
            Some(tracked) if tracked.claim == claim && !tracked.ended => !std::mem::replace(&mut tracked.lost, true),
            _ => false,
        }
    }

    /// The emails whose delivery has been in progress for longer than this; each is returned once.
    pub(crate) fn slow(&self, long: Duration) -> Vec<ClaimRef> {
        let mut emails = self.emails();
        let slow = emails
            .by_id
            .values_mut()
            .filter(|tracked| !tracked.ended && !tracked.reported && tracked.since.elapsed() > long);
        slow.map(|tracked| {
            tracked.reported = true;
            tracked.claim
        })
        .collect()
    }

    /// Removes an email that is recorded under this claim, or lost. False when it was claimed again since.
    pub(crate) fn remove(&self, claim: ClaimRef) -> bool {
        match self.emails().by_id.entry(claim.id) {
            Entry::Occupied(tracked) if tracked.get().claim != claim => false,
            Entry::Occupied(tracked) => {
                tracked.remove();
                true
            }
            Entry::Vacant(_) => true,
        }
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.emails().by_id.is_empty()
    }

    /// How many are in flight.
    pub(crate) fn len(&self) -> usize {
        self.emails().by_id.len()
    }

    /// All emails in flight. Call it when no delivery runs any more.
    pub(crate) fn left(&self) -> Left {
        let emails = self.emails();
        let mut tracked: Vec<&Tracked> = emails.by_id.values().collect();
        tracked.sort_by_key(|tracked| tracked.sequence);
        let (uncertain, untouched) =
            tracked.into_iter().partition(|tracked| tracked.ended || tracked.handoff.has_begun());
        let claims = |tracked: Vec<&Tracked>| tracked.into_iter().map(|tracked| tracked.claim).collect();
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
        assert!(in_flight.track(first).is_some());
        let second = ClaimRef { number: 2, ..first };
        assert!(in_flight.track(second).is_none());
        assert_eq!(in_flight.claims(), [second]);
        assert!(!in_flight.remove(first), "the outcome is to be recorded under the newer claim");
        assert!(in_flight.remove(second));
        assert!(in_flight.is_empty());
    }

    #[test]
    fn what_was_not_handed_over_can_be_given_back_in_order() {
        let in_flight = InFlight::default();
        let claims: Vec<_> = (1..=4).map(claim).collect();
        let handoffs: Vec<_> = claims.iter().map(|claim| in_flight.track(*claim).unwrap()).collect();
        handoffs[1].begin();
        in_flight.end(claims[2].id);
        let left = in_flight.left();
        assert_eq!(left.untouched, [claims[0], claims[3]]);
        assert_eq!(left.uncertain, [claims[1], claims[2]]);
    }

    #[test]
    fn a_delivery_that_takes_long_is_reported_once_and_not_after_its_end() {
        let in_flight = InFlight::default();
        let (slow, ended) = (claim(1), claim(1));
        in_flight.track(slow);
        in_flight.track(ended);
        in_flight.end(ended.id);
        assert!(in_flight.slow(Duration::from_secs(60)).is_empty());
        assert_eq!(in_flight.slow(Duration::ZERO), [slow]);
        assert!(in_flight.slow(Duration::ZERO).is_empty());
    }

    #[test]
    fn a_lost_lease_is_news_once_and_only_before_the_outcome_is_known() {
        let in_flight = InFlight::default();
        let (lost, ended) = (claim(1), claim(1));
        in_flight.track(lost);
        in_flight.track(ended);
        in_flight.end(ended.id);
        assert!(in_flight.lose(lost));
        assert!(!in_flight.lose(lost));
        assert!(!in_flight.lose(ended));
    }
}
