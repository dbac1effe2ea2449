use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{EmailId, InvalidId};

/// The id of an attachment: a UUID version 8 ([RFC 9562 section 5.8](https://www.rfc-editor.org/rfc/rfc9562#section-5.8))
/// made from the email's id and the attachment's place in it, so that it need not be kept anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttachmentId(Uuid);

impl AttachmentId {
    /// The id of the attachment at this place of the email, counted from 0. Always the same for the same two.
    #[must_use]
    pub fn new(email: EmailId, place: usize) -> Self {
        let hash = Sha256::new().chain_update(email.as_bytes()).chain_update((place as u64).to_be_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        Self(Uuid::new_v8(bytes))
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for AttachmentId {
    type Err = InvalidId;

    /// Reads the usual form of 36 characters, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        crate::id::uuid(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_one_place_of_one_email() {
        let (one, other) = (EmailId::new(), EmailId::new());
        assert_eq!(AttachmentId::new(one, 1), AttachmentId::new(one, 1));
        assert_ne!(AttachmentId::new(one, 1), AttachmentId::new(one, 0));
        assert_ne!(AttachmentId::new(one, 1), AttachmentId::new(other, 1));
    }

    /// Links and cursors that clients have must still mean the same after an update.
    #[test]
    fn ids_do_not_change_from_version_to_version() {
        let email = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let id = AttachmentId::new(email, 0);
        assert_eq!(id.to_string(), "d5f07ce1-8447-8ffb-a735-079136466438");
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }
}
