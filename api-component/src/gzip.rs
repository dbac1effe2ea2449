//! Bodies that are compressed, as some HTTP clients send them unasked.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::error::ApiError;

/// What was compressed ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)). No more is unpacked than the limit and one
/// byte, however much there is: a kilobyte can hold a megabyte of zeros.
///
/// # Errors
/// 400 where it is no gzip, or cut off; 413 above the limit.
pub(crate) fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut inflated = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(compressed).take(bound).read_to_end(&mut inflated);
    if inflated.len() > limit {
        return Err(ApiError::body_too_large(limit));
    }
    read.map_err(|_| ApiError::broken_gzip())?;
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use http::StatusCode;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn refused(compressed: &[u8], limit: usize) -> StatusCode {
        inflate(compressed, limit).unwrap_err().into_response().status()
    }

    #[test]
    fn what_was_compressed_comes_out_again_up_to_the_limit() {
        assert_eq!(inflate(&gzip(b"{}"), 2).unwrap(), b"{}");
        assert_eq!(refused(&gzip(b"{} "), 2), StatusCode::PAYLOAD_TOO_LARGE);
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(refused(&bomb, 1_000_000), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_no_gzip_or_cut_off_is_refused() {
        let whole = gzip(b"{\"to\": 1}");
        for broken in [&b""[..], b"{}", &whole[..whole.len() - 1], &whole[..12]] {
            assert_eq!(refused(broken, 1000), StatusCode::BAD_REQUEST);
        }
    }
}
