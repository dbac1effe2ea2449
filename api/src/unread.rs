//! Drains what is left of a request's body when the answer is known before its end.
//!
//! A host closes the connection of a request that was not read to its end. A client that is still sending then often sees a
//! reset instead of the answer (RFC 9112 section 9.6). So the API first reads the rest and drops it, within bounds.

use std::time::{Duration, Instant};

use http::{Method, header, request::Parts};

use crate::body::{Body, BodyError, content_length};

/// How many bytes are drained at most.
const MAX_BYTES: usize = 64 << 20;

/// How long draining may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long draining waits for the next chunk.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// A body that may have an unread rest.
pub(crate) struct Unread<B> {
    body: B,
    /// Whether its end was read, or an error.
    is_over: bool,
}

impl<B: Body> Body for Unread<B> {
    type Chunk = B::Chunk;

    async fn chunk(&mut self, timeout: Duration) -> Result<Option<B::Chunk>, BodyError> {
        let chunk = self.body.chunk(timeout).await;
        self.is_over = !matches!(chunk, Ok(Some(_)));
        chunk
    }

    async fn reserve(&mut self, bytes: usize, limit: usize) -> bool {
        self.body.reserve(bytes, limit).await
    }

    fn shrink(&mut self, bytes: usize) {
        self.body.shrink(bytes);
    }
}

impl<B: Body> Unread<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, is_over: false }
    }

    /// Reads and drops the rest, up to a bound. Does nothing if the request has no body, if the client waits for a `100 Continue`
    /// before it sends one, or if `Content-Length` is above the bound.
    pub(crate) async fn drain(&mut self, request: &Parts) {
        self.shrink(0);
        if self.is_over || !may_be_sending(request) {
            return;
        }
        let began = Instant::now();
        let mut drained = 0;
        while !self.is_over && drained < MAX_BYTES {
            let left = TIMEOUT.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            if let Ok(Some(chunk)) = self.chunk(IDLE_TIMEOUT.min(left)).await {
                drained += chunk.as_ref().len();
            }
        }
    }
}

/// Whether the client may be sending a body that is small enough to drain. A chunked one cannot be recognised: hosts remove
/// `Transfer-Encoding`.
fn may_be_sending(request: &Parts) -> bool {
    let has_body = match content_length(&request.headers) {
        Some(bytes) => (1..=MAX_BYTES as u64).contains(&bytes),
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
        type Chunk = Vec<u8>;

        async fn chunk(&mut self, _timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
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
        let with_length = request(Method::POST, &[(header::CONTENT_LENGTH, "3145728")]);
        assert_eq!(drained(3 << 20, &with_length), (0, 4));
        let in_chunks = request(Method::PATCH, &[]);
        assert_eq!(drained(3 << 20, &in_chunks), (0, 4));
        assert_eq!(drained(MAX_BYTES + 7, &in_chunks), (7, MAX_BYTES >> 20));
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
            assert_eq!(body.chunk(IDLE_TIMEOUT).await, Ok(None));
            body.drain(&request(Method::POST, &[(header::CONTENT_LENGTH, "5")])).await;
        });
        assert_eq!(body.body.asked, 1);
    }
}
