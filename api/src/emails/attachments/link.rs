//! A signed link to an attachment, with the time when it expires.
//!
//! The signature is HMAC-SHA256 ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)) with a secret of the queue. The secret is in
//! Redis, so that every instance of the API can verify the links of the others. A program that can read the secret can read the
//! emails as well.

use email_queue::{
    AttachmentId, EmailId, Queue,
    call::Redis,
    hex,
    query::{self, SECRET_BYTES},
};
use hmac::{Hmac, Mac, digest::Key};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{backend::Failure, error::ApiError};

/// How long a link is valid, in seconds.
const LIFETIME: i64 = 3600;

/// When a link that is made now expires, in whole seconds, as in the link.
pub(super) fn expiry(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_add(LIFETIME)).unwrap_or(now)
}

/// What a link leads to, and when it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) email: EmailId,
    pub(super) attachment: AttachmentId,
    pub(super) expires: Timestamp,
}

impl Link {
    /// The signed link, as a path with a query.
    pub(super) fn path(&self, secret: &Secret) -> String {
        let Self { email, attachment, expires } = self;
        let (expires, signature) = (expires.as_second(), self.signature(secret));
        format!("/emails/{email}/attachments/{attachment}/download?expires={expires}&signature={signature}")
    }

    /// Whether a signature is valid for this link. The time that it takes does not depend on the signature.
    pub(super) fn is_signed(&self, signature: &str, secret: &Secret) -> bool {
        self.signature(secret).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    fn signature(&self, secret: &Secret) -> String {
        let Self { email, attachment, expires } = self;
        // Ids have a fixed length, so no two links have the same text.
        let signed = format!("{email}/{attachment}/{}", expires.as_second());
        let mac = <Hmac<Sha256> as Mac>::new(&secret.key()).chain_update(signed).finalize().into_bytes();
        hex(&mac)
    }
}

/// The key of the signatures of a queue.
pub(super) struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// The secret of a queue, which is created if there is none.
    pub(super) async fn of<R: Redis<Error: Failure>>(queue: &Queue, redis: &R) -> Result<Self, ApiError> {
        let mut candidate = [0; SECRET_BYTES];
        getrandom::fill(&mut candidate).map_err(|error| {
            log::error!("the host gives no random bytes: {error}");
            ApiError::unavailable("The server has no random numbers for now. Try again later.")
        })?;
        Ok(Self(query::secret(queue, candidate).run(redis).await?))
    }

    /// Padded with zeros to the length of a block, as HMAC itself does: then the length cannot be wrong.
    fn key(&self) -> Key<Hmac<Sha256>> {
        let mut key = [0; 64];
        key[..SECRET_BYTES].copy_from_slice(&self.0);
        key.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected signature was made by another implementation of HMAC.
    #[test]
    fn a_signature_is_the_hmac_of_what_the_link_says() {
        let email: EmailId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let expires = Timestamp::from_second(1_800_000_000).unwrap();
        let link = Link { email, attachment: AttachmentId::new(email, 0), expires };
        let (secret, other) = (Secret([7; SECRET_BYTES]), Secret([8; SECRET_BYTES]));
        let signature = "98157274fc675d37d6db22b9332a29ebdf77225df5ec2ddc2907855d036fb8e7";
        assert!(link.path(&secret).ends_with(&format!("/download?expires=1800000000&signature={signature}")));
        assert!(link.is_signed(signature, &secret));
        assert!(!link.is_signed(signature, &other));
    }
}
