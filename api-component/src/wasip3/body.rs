//! The body of a request, as WASI 0.3 has it.

use api::{body::BodyError, instance::BodyStream};
use spin_sdk_wasip3::{
    wasip3::{
        http::types::{ErrorCode, Request, Trailers},
        wit_future,
    },
    wit_bindgen::{FutureReader, StreamReader, StreamResult},
};

/// How much of a body is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

pub(super) struct WasiBody {
    part: Part,
    /// How many bytes are still to come, if the request has a `Content-Length`.
    remaining: Option<u64>,
}

enum Part {
    Unread(Request),
    Reading(StreamReader<u8>, FutureReader<Result<Option<Trailers>, ErrorCode>>),
    Read,
}

impl WasiBody {
    /// The body of a request, and its `Content-Length`.
    pub(super) fn new(request: Request, length: Option<u64>) -> Self {
        Self { part: Part::Unread(request), remaining: length }
    }
}

impl BodyStream for WasiBody {
    type Chunk = Vec<u8>;

    async fn next(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        // That was the end, and needs no call to Spin.
        if self.remaining == Some(0) {
            return Ok(None);
        }
        let (mut stream, trailers) = match std::mem::replace(&mut self.part, Part::Read) {
            Part::Unread(request) => Request::consume_body(request, wit_future::new(|| Ok(())).1),
            Part::Reading(stream, trailers) => (stream, trailers),
            Part::Read => return Ok(None),
        };
        let expected = self.remaining.and_then(|remaining| usize::try_from(remaining).ok());
        let (result, chunk) = stream.read(Vec::with_capacity(expected.map_or(CHUNK, |bytes| bytes.min(CHUNK)))).await;
        if chunk.is_empty() && result == StreamResult::Dropped {
            // The trailers say whether the body is complete.
            return trailers.await.map(|_| None).map_err(|_| BodyError::Incomplete);
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(chunk.len() as u64));
        self.part = Part::Reading(stream, trailers);
        Ok(Some(chunk))
    }
}
