use crate::{EmailId, call::Call};

/// An email that a worker has in flight.
///
/// The number counts how often the email was claimed; Redis takes outcomes from the last claim only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimRef {
    /// The email.
    pub id: EmailId,
    /// Which claim of it.
    pub number: u64,
}

impl<T> Call<T> {
    /// A claim, as the scripts compare it: with its number as it stands in the record.
    pub(super) fn claim(self, claim: ClaimRef) -> Self {
        self.number(claim.id).argument(format!("{:05}", claim.number))
    }
}
