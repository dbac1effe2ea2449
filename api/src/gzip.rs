//! Bodies that are compressed, as some HTTP clients send them unasked.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::error::ApiError;

/// How many members a body may have, one after the other. Clients send one. An empty one takes 20 bytes, and as long to unpack as
/// some kilobytes.
const MOST_MEMBERS: usize = 16;

/// Why a body cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipError {
    /// There is more in it than the limit.
    TooLarge,
    /// It is no gzip, or cut off.
    Broken,
    /// It has more members than [`MOST_MEMBERS`].
    TooManyMembers,
}

impl GzipError {
    /// The error as an answer, where the body may have as many bytes as `limit`.
    pub(crate) fn refusal(self, limit: usize) -> ApiError {
        match self {
            Self::TooLarge => ApiError::body_too_large(limit),
            Self::Broken => ApiError::broken_gzip(),
            Self::TooManyMembers => ApiError::too_many_gzip_members(MOST_MEMBERS),
        }
    }
}

/// What was compressed ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)). No more is unpacked than the limit and one
/// byte, however much there is: a kilobyte can hold a megabyte of zeros.
///
/// # Errors
/// As the error says.
pub(crate) fn inflate(mut compressed: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let bound = limit.saturating_add(1);
    // At once, because to double it each time takes three times as much.
    let mut inflated = Vec::with_capacity(bound);
    for _ in 0..MOST_MEMBERS {
        let mut member = GzDecoder::new(compressed);
        let left = u64::try_from(bound - inflated.len()).unwrap_or(u64::MAX);
        let read = member.by_ref().take(left).read_to_end(&mut inflated);
        if inflated.len() > limit {
            return Err(GzipError::TooLarge);
        }
        read.map_err(|_| GzipError::Broken)?;
        compressed = member.into_inner();
        if compressed.is_empty() {
            return Ok(inflated);
        }
    }
    Err(GzipError::TooManyMembers)
}

/// What is to be unpacked again.
#[cfg(test)]
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut packed).unwrap();
    packed
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn refused(compressed: &[u8], limit: usize) -> StatusCode {
        inflate(compressed, limit).unwrap_err().refusal(limit).into_response().status()
    }

    #[test]
    fn what_was_compressed_comes_out_again_up_to_the_limit() {
        assert_eq!(inflate(&packed(b"{}"), 2).unwrap(), b"{}");
        assert_eq!(refused(&packed(b"{} "), 2), StatusCode::PAYLOAD_TOO_LARGE);
        let bomb = packed(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(refused(&bomb, 1_000_000), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_no_gzip_or_cut_off_is_refused() {
        let whole = packed(b"{\"to\": 1}");
        for broken in [&b""[..], b"{}", &whole[..whole.len() - 1], &whole[..12]] {
            assert_eq!(refused(broken, 1000), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn a_body_may_be_in_a_few_members_and_not_in_many() {
        let members = |count: usize| [packed(b"{").repeat(count - 1), packed(b"}")].concat();
        assert_eq!(inflate(&members(2), 2).unwrap(), b"{}");
        assert_eq!(inflate(&members(MOST_MEMBERS), 1000).unwrap().len(), MOST_MEMBERS);
        assert_eq!(inflate(&members(MOST_MEMBERS + 1), 1000), Err(GzipError::TooManyMembers));
        assert_eq!(inflate(&packed(b"").repeat(1000), 1000), Err(GzipError::TooManyMembers));
        assert_eq!(refused(&members(20), 1000), StatusCode::BAD_REQUEST);
        assert_eq!(inflate(&[packed(b"{}"), b"{}".to_vec()].concat(), 1000), Err(GzipError::Broken));
    }
}
