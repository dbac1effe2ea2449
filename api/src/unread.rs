//! What is left of a request's body when the answer is known before its end.
//!
//! A host closes the connection of a request that was not read to its end, and a client that is still sending then
//! often sees a reset instead of the answer (RFC 9112 section 9.6). So the rest is read and dropped first, in bounds.

use std::time::{Duration, Instant};

use http::{Method, header, request::Parts};

use crate::body::{Body, Interrupted, announced};

/// How many bytes are dropped at most.
const MOST_BYTES: usize = 64 << 20;

/// How long the rest is waited for in all.
const LONGEST: Duration = Duration::from_secs(5);

/// How long the rest may be silent.
const SILENCE: Duration = Duration::from_secs(1);

/// A body, and whether it has come to its end.
pub(crate) struct Unread<B> {
    body: B,
    over: bool,
}

impl<B: Body> Body for Unread<B> {
    async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        let chunk = self.body.chunk(patience).await;
        self.over = !matches!(chunk, Ok(Some(_)));
        chunk
    }

    async fn reserve(&mut self, bytes: usize, most: usize) -> bool {
        self.body.reserve(bytes, most).await
    }

    fn keep(&mut self, bytes: usize) {
        self.body.keep(bytes);
    }
}

impl<B: Body> Unread<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, over: false }
    }

    /// Reads on until the end, or until a bound is reached, and keeps nothing. Does nothing if the request has no body,
    /// waits for a `100 Continue` before it sends one, or says that it has more than would be dropped.
    pub(crate) async fn drain(&mut self, request: &Parts) {
        // What was read of it is gone.
        self.keep(0);
        if self.over || !is_coming(request) {
            return;
        }
        let began = Instant::now();
        let mut dropped = 0;
        while !self.over && dropped < MOST_BYTES {
            let left = LONGEST.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            if let Ok(Some(chunk)) = self.chunk(SILENCE.min(left)).await {
                dropped += chunk.len();
            }
        }
    }
}

/// Whether the client may be sending a body unasked, and one that is worth waiting for. That it comes in chunks cannot be
/// seen: hosts keep `Transfer-Encoding` to themselves.
fn is_coming(request: &Parts) -> bool {
    let has_body = match announced(&request.headers) {
        Some(bytes) => (1..=MOST_BYTES as u64).contains(&bytes),
        None => !matches!(request.method, Method::GET | Method::HEAD),
    };
    has_body && !request.headers.contains_key(header::EXPECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many bytes as the number says, in pieces of 1 MiB, and how often it was asked for one.
    struct Pieces {
        left: usize,
        asked: usize,
    }

    impl Body for Pieces {
        async fn chunk(&mut self, _patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
            self.asked += 1;
            let piece = self.left.min(1 << 20);
            self.left -= piece;
            Ok((piece > 0).then(|| vec![b' '; piece]))
        }
    }

    fn request(method: Method, headers: &[(header::HeaderName, &str)]) -> Parts {
        let mut request = http::Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request.into_parts().0
    }

    /// How many bytes are left of a body, and how often it was asked for some.
    fn drained(bytes: usize, request: &Parts) -> (usize, usize) {
        let mut body = Unread::new(Pieces { left: bytes, asked: 0 });
        pollster::block_on(body.drain(request));
        (body.body.left, body.body.asked)
    }

    #[test]
    fn the_rest_of_a_body_is_read_up_to_a_bound() {
        let announced = request(Method::POST, &[(header::CONTENT_LENGTH, "3145728")]);
        assert_eq!(drained(3 << 20, &announced), (0, 4));
        let in_chunks = request(Method::PATCH, &[]);
        assert_eq!(drained(3 << 20, &in_chunks), (0, 4));
        assert_eq!(drained(MOST_BYTES + 7, &in_chunks), (7, MOST_BYTES >> 20));
    }

    #[test]
    fn a_request_that_sends_no_body_or_too_much_is_not_asked_for_it() {
        for (method, headers) in [
            (Method::GET, &[][..]),
            (Method::POST, &[(header::CONTENT_LENGTH, "0")]),
            (Method::POST, &[(header::CONTENT_LENGTH, "67108865")]),
            (Method::POST, &[(header::CONTENT_LENGTH, "5"), (header::EXPECT, "100-continue")]),
        ] {
            assert_eq!(drained(1, &request(method, headers)), (1, 0), "{headers:?}");
        }
    }

    #[test]
    fn a_body_that_was_read_to_its_end_is_not_asked_again() {
        let mut body = Unread::new(Pieces { left: 0, asked: 0 });
        pollster::block_on(async {
            assert_eq!(body.chunk(SILENCE).await, Ok(None));
            body.drain(&request(Method::POST, &[(header::CONTENT_LENGTH, "5")])).await;
        });
        assert_eq!(body.body.asked, 1);
    }
}
