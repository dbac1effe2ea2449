use std::collections::{BTreeMap, HashMap};

use testkit::Received;

use crate::Mail;

/// Everything that has arrived, email by email.
#[derive(Debug)]
pub struct Arrivals {
    by_id: HashMap<String, Vec<Mail>>,
}

impl Arrivals {
    /// Sorts what a server has received by the ids of the emails.
    ///
    /// # Panics
    /// When two messages with the same id are not the same email with the same Message-ID.
    #[must_use]
    pub fn new(received: Vec<Received>) -> Self {
        let mut by_id: HashMap<String, Vec<Mail>> = HashMap::new();
        for mail in received.into_iter().map(Mail::new) {
            let copies = by_id.entry(mail.id().to_owned()).or_default();
            if let Some(first) = copies.first() {
                let identity = |mail: &Mail| {
                    (mail.message_id().to_owned(), mail.subject().map(str::to_owned), mail.text("text/plain"))
                };
                assert_eq!(identity(first), identity(&mail));
            }
            copies.push(mail);
        }
        Self { by_id }
    }

    /// What arrived of an email, in the order of its coming.
    #[must_use]
    pub fn of(&self, id: &str) -> &[Mail] {
        self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many different emails have arrived.
    #[must_use]
    pub fn emails(&self) -> usize {
        self.by_id.len()
    }

    /// Which emails arrived more than once, and how often too often.
    #[must_use]
    pub fn repeated(&self) -> BTreeMap<String, usize> {
        let repeats = self.by_id.iter().map(|(id, copies)| (id.clone(), copies.len() - 1));
        repeats.filter(|(_, repeats)| *repeats > 0).collect()
    }

    /// Checks that each of these emails has arrived, be it more than once.
    ///
    /// # Panics
    /// Naming those that have not.
    #[track_caller]
    pub fn assert_all<S: AsRef<str>>(&self, ids: &[S]) {
        let lost: Vec<&str> = ids.iter().map(AsRef::as_ref).filter(|id| self.of(id).is_empty()).collect();
        assert!(lost.is_empty(), "{} of {} emails are lost: {lost:?}", lost.len(), ids.len());
    }

    /// Checks that each of these emails has arrived, and none more than once.
    ///
    /// # Panics
    /// Naming those that have not, or too often.
    #[track_caller]
    pub fn assert_once<S: AsRef<str>>(&self, ids: &[S]) {
        self.assert_all(ids);
        assert_eq!(self.repeated(), BTreeMap::new(), "arrived too often");
    }
}
