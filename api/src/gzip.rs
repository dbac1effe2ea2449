//! Compressed bodies, which some HTTP clients send by default.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::error::ApiError;

/// How many gzip members a body may have. Clients send one. An empty member has 20 bytes, and takes as long to inflate as some
/// kilobytes.
const MAX_MEMBERS: usize = 16;

/// Why a body cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipError {
    /// It is larger than the limit when inflated.
    TooLarge,
    /// It is not gzip, or incomplete.
    Broken,
    /// It has more members than [`MAX_MEMBERS`].
    TooManyMembers,
}

impl GzipError {
    /// The error for the client. `limit` is the largest body, in bytes.
    pub(crate) fn refusal(self, limit: usize) -> ApiError {
        match self {
            Self::TooLarge => ApiError::body_too_large(limit),
            Self::Broken => ApiError::broken_gzip(),
            Self::TooManyMembers => ApiError::too_many_gzip_members(MAX_MEMBERS),
        }
    }
}

/// Inflates a body ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)), up to the limit and one byte: a kilobyte can hold a
/// megabyte of zeros.
pub(crate) fn inflate(mut compressed: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let bound = limit.saturating_add(1);
    // All at once: growth by doubling takes three times as much.
    let mut inflated = Vec::with_capacity(bound);
    for _ in 0..MAX_MEMBERS {
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

/// Compresses bytes.
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
    fn a_compressed_body_is_inflated_up_to_the_limit() {
        assert_eq!(inflate(&packed(b"{}"), 2).unwrap(), b"{}");
        assert_eq!(refused(&packed(b"{} "), 2), StatusCode::PAYLOAD_TOO_LARGE);
        let bomb = packed(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(refused(&bomb, 1_000_000), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_not_gzip_or_incomplete_is_refused() {
        let whole = packed(b"{\"to\": 1}");
        for broken in [&b""[..], b"{}", &whole[..whole.len() - 1], &whole[..12]] {
            assert_eq!(refused(broken, 1000), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn a_body_may_be_in_a_few_members_and_not_in_many() {
        let members = |count: usize| [packed(b"{").repeat(count - 1), packed(b"}")].concat();
        assert_eq!(inflate(&members(2), 2).unwrap(), b"{}");
        assert_eq!(inflate(&members(MAX_MEMBERS), 1000).unwrap().len(), MAX_MEMBERS);
        assert_eq!(inflate(&members(MAX_MEMBERS + 1), 1000), Err(GzipError::TooManyMembers));
        assert_eq!(inflate(&packed(b"").repeat(1000), 1000), Err(GzipError::TooManyMembers));
        assert_eq!(refused(&members(20), 1000), StatusCode::BAD_REQUEST);
        assert_eq!(inflate(&[packed(b"{}"), b"{}".to_vec()].concat(), 1000), Err(GzipError::Broken));
    }
}
