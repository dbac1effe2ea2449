//! How many connections the server may be given at once.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// How long a limit that was learned stands before one more connection is tried.
const CLIMB_AFTER: Duration = Duration::from_secs(30);

/// Within so long after a limit was learned, a server that is found to be down takes the blame for it.
const DOUBT: Duration = Duration::from_secs(60);

/// The most connections that the server is known to take, as far as that was learned; `None` as long as it has never
/// refused one beside others. It can be set from outside by whoever has learned it elsewhere.
#[derive(Debug)]
pub(crate) struct ConnectionLimit(watch::Sender<Option<usize>>);

impl ConnectionLimit {
    pub(crate) fn get(&self) -> Option<usize> {
        *self.0.borrow()
    }

    /// Sets the limit, and tells those who have subscribed if it is another one. No limit is lower than 1.
    pub(crate) fn set(&self, limit: Option<usize>) {
        let limit = limit.map(|limit| limit.max(1));
        self.0.send_if_modified(|present| std::mem::replace(present, limit) != limit);
    }

    /// Is told of each change of the limit, whoever made it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<usize>> {
        self.0.subscribe()
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// How the limit is learned from what the server does.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// When the limit was last changed by us.
    changed: Option<Instant>,
    /// The limit before it was last lowered, and when that began.
    before: Option<(Option<usize>, Instant)>,
    /// The email that was last refused in a session that others did well beside, and when.
    suspect: Option<(EmailKey, Instant)>,
}

/// What tells one email from another, as far as who sends it and who gets it does.
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

impl Lessons {
    /// The server has refused a connection beside so many that are open.
    pub(super) fn refused(&mut self, limit: &ConnectionLimit, open: usize, now: Instant) {
        if self.before.is_none_or(|(_, since)| since + DOUBT < now) {
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

    /// The server has refused an email in a session of its own, beside so many that are open. That may be for the session or
    /// for the email: it says something of connections only when it happens to another email as well.
    pub(super) fn refused_email(&mut self, email: EmailKey, limit: &ConnectionLimit, open: usize, now: Instant) {
        let before = self.suspect.replace((email, now));
        if before.is_some_and(|(other, since)| other != email && since + DOUBT >= now) {
            self.refused(limit, open, now);
        }
    }

    /// The server takes nobody at all: what it refused just before was no limit.
    pub(super) fn down(&mut self, limit: &ConnectionLimit, now: Instant) {
        if let Some((before, since)) = self.before.take()
            && since + DOUBT >= now
        {
            limit.set(before);
        }
    }

    /// The server has so many connections open, which a lower limit did not know.
    pub(super) fn proven(&mut self, limit: &ConnectionLimit, open: usize) {
        if limit.get().is_some_and(|present| present < open) {
            limit.set(Some(open));
        }
    }

    /// Raises the limit by one if it has stood for long enough. Tells whether it did.
    pub(super) fn climb(&mut self, limit: &ConnectionLimit, now: Instant) -> bool {
        // What came from outside stands as long as what was learned here.
        let since = *self.changed.get_or_insert(now);
        match limit.get() {
            Some(present) if since + CLIMB_AFTER <= now => {
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
        let (limit, mut lessons, now) = (ConnectionLimit::default(), Lessons::default(), Instant::now());
        let email = |recipient| EmailKey::of("a@x.example", [recipient].into_iter());
        for n in 0..10 {
            lessons.refused_email(email("odd@y.example"), &limit, 5, now + Duration::from_secs(n));
        }
        assert_eq!(limit.get(), None);
        lessons.refused_email(email("other@y.example"), &limit, 5, now + Duration::from_secs(10));
        assert_eq!(limit.get(), Some(5));
    }

    #[test]
    fn a_limit_climbs_by_one_at_a_time_and_only_after_a_while() {
        let (limit, mut lessons, mut now) = (ConnectionLimit::default(), Lessons::default(), Instant::now());
        assert!(!lessons.climb(&limit, now), "there is none yet");
        lessons.refused(&limit, 2, now);
        for expected in 3..6 {
            assert!(!lessons.climb(&limit, now + CLIMB_AFTER / 2));
            now += CLIMB_AFTER;
            assert!(lessons.climb(&limit, now));
            assert_eq!(limit.get(), Some(expected));
        }
        lessons.refused(&limit, 2, now);
        assert_eq!(limit.get(), Some(2));
    }

    #[test]
    fn a_server_that_goes_down_teaches_no_limit() {
        let (limit, mut lessons, now) = (ConnectionLimit::default(), Lessons::default(), Instant::now());
        limit.set(Some(7));
        for open in [3, 2, 1] {
            lessons.refused(&limit, open, now);
        }
        lessons.down(&limit, now + DOUBT / 2);
        assert_eq!(limit.get(), Some(7));
        lessons.refused(&limit, 3, now);
        lessons.down(&limit, now + 2 * DOUBT);
        assert_eq!(limit.get(), Some(3), "it was learned long before");
    }

    #[test]
    fn more_connections_than_the_limit_prove_it_wrong() {
        let (limit, mut lessons) = (ConnectionLimit::default(), Lessons::default());
        lessons.proven(&limit, 9);
        assert_eq!(limit.get(), None);
        limit.set(Some(3));
        lessons.proven(&limit, 5);
        assert_eq!(limit.get(), Some(5));
    }
}
