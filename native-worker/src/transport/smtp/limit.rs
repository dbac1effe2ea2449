//! The server's connection limit.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// How long a limit applies before one more connection is tried.
const RAISE_AFTER: Duration = Duration::from_secs(30);

/// If the server is found to be down within this time after the limit was lowered, the lowering is undone: connections
/// failed because it went down.
const OUTAGE_WINDOW: Duration = Duration::from_secs(60);

/// The learned connection limit; `None` as long as the server has not refused a connection beside others. Other workers
/// set it, too.
#[derive(Debug)]
pub(crate) struct ConnectionLimit(watch::Sender<Option<usize>>);

impl ConnectionLimit {
    pub(crate) fn get(&self) -> Option<usize> {
        *self.0.borrow()
    }

    /// Sets the limit, and notifies subscribers if it has changed. No limit is lower than 1.
    pub(crate) fn set(&self, limit: Option<usize>) {
        let limit = limit.map(|limit| limit.max(1));
        self.0.send_if_modified(|present| std::mem::replace(present, limit) != limit);
    }

    /// Receives each change of the limit, from any source.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<usize>> {
        self.0.subscribe()
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// Estimates the limit from what the server accepts and refuses.
#[derive(Debug, Default)]
pub(super) struct LimitEstimate {
    /// When this worker last changed the limit.
    changed: Option<Instant>,
    /// The limit before it was last lowered, and when that began.
    before: Option<(Option<usize>, Instant)>,
    /// The email last refused in a new session beside working ones, and when.
    suspect: Option<(EmailKey, Instant)>,
}

/// Distinguishes emails by sender and recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EmailKey(u64);

impl EmailKey {
    pub(super) fn of<'a>(sender: &str, recipients: impl Iterator<Item = &'a str>) -> Self {
        let mut hasher = DefaultHasher::new();
        sender.hash(&mut hasher);
        recipients.for_each(|recipient| recipient.hash(&mut hasher));
        Self(hasher.finish())
    }
}

impl LimitEstimate {
    /// The server has refused a connection beside so many that are open.
    pub(super) fn refused(&mut self, limit: &ConnectionLimit, open: usize, now: Instant) {
        if self.before.is_none_or(|(_, since)| since + OUTAGE_WINDOW < now) {
            self.before = Some((limit.get(), now));
        }
        self.changed = Some(now);
        if limit.get().is_none_or(|present| open < present) {
            tracing::info!(
                connections = open,
                "the server takes no more connections at once; emails wait for a free one"
            );
            limit.set(Some(open));
        }
    }

    /// The server has refused an email in a new session, beside so many open ones. This may be due to the session or
    /// the email, so it counts as a refused connection only if it happens to another email too.
    pub(super) fn refused_email(&mut self, email: EmailKey, limit: &ConnectionLimit, open: usize, now: Instant) {
        let before = self.suspect.replace((email, now));
        if before.is_some_and(|(other, since)| other != email && since + OUTAGE_WINDOW >= now) {
            self.refused(limit, open, now);
        }
    }

    /// The server refuses all connections: those that it refused just before were not over a limit.
    pub(super) fn down(&mut self, limit: &ConnectionLimit, now: Instant) {
        if let Some((before, since)) = self.before.take()
            && since + OUTAGE_WINDOW >= now
        {
            limit.set(before);
        }
    }

    /// The server has so many connections open: a lower limit is wrong.
    pub(super) fn opened(&mut self, limit: &ConnectionLimit, open: usize) {
        if limit.get().is_some_and(|present| present < open) {
            limit.set(Some(open));
        }
    }

    /// Raises the limit by one if it has applied for long enough. Returns whether it did.
    pub(super) fn raise(&mut self, limit: &ConnectionLimit, now: Instant) -> bool {
        // A limit from another worker applies as long as one of this worker.
        let since = *self.changed.get_or_insert(now);
        match limit.get() {
            Some(present) if since + RAISE_AFTER <= now => {
                self.changed = Some(now);
                limit.set(Some(present + 1));
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_email_that_the_server_refuses_again_and_again_is_no_limit_of_connections() {
        let (limit, mut estimate, now) = (ConnectionLimit::default(), LimitEstimate::default(), Instant::now());
        let email = |recipient| EmailKey::of("a@x.example", [recipient].into_iter());
        for n in 0..10 {
            estimate.refused_email(email("odd@y.example"), &limit, 5, now + Duration::from_secs(n));
        }
        assert_eq!(limit.get(), None);
        estimate.refused_email(email("other@y.example"), &limit, 5, now + Duration::from_secs(10));
        assert_eq!(limit.get(), Some(5));
    }

    #[test]
    fn a_limit_climbs_by_one_at_a_time_and_only_after_a_while() {
        let (limit, mut estimate, mut now) = (ConnectionLimit::default(), LimitEstimate::default(), Instant::now());
        assert!(!estimate.raise(&limit, now), "there is none yet");
        estimate.refused(&limit, 2, now);
        for expected in 3..6 {
            assert!(!estimate.raise(&limit, now + RAISE_AFTER / 2));
            now += RAISE_AFTER;
            assert!(estimate.raise(&limit, now));
            assert_eq!(limit.get(), Some(expected));
        }
        estimate.refused(&limit, 2, now);
        assert_eq!(limit.get(), Some(2));
    }

    #[test]
    fn a_server_that_goes_down_teaches_no_limit() {
        let (limit, mut estimate, now) = (ConnectionLimit::default(), LimitEstimate::default(), Instant::now());
        limit.set(Some(7));
        for open in [3, 2, 1] {
            estimate.refused(&limit, open, now);
        }
        estimate.down(&limit, now + OUTAGE_WINDOW / 2);
        assert_eq!(limit.get(), Some(7));
        estimate.refused(&limit, 3, now);
        estimate.down(&limit, now + 2 * OUTAGE_WINDOW);
        assert_eq!(limit.get(), Some(3), "it was learned long before");
    }

    #[test]
    fn more_connections_than_the_limit_prove_it_wrong() {
        let (limit, mut estimate) = (ConnectionLimit::default(), LimitEstimate::default());
        estimate.opened(&limit, 9);
        assert_eq!(limit.get(), None);
        limit.set(Some(3));
        estimate.opened(&limit, 5);
        assert_eq!(limit.get(), Some(5));
    }
}
