//! The body of a request, as WASI 0.3 has it.

use std::{rc::Rc, time::Duration};

use api::{
    body::{Body, Interrupted},
    budget::{Budget, Share},
    tasks::within,
};
use spin_sdk_wasip3::{
    wasip3::{
        http::types::{ErrorCode, Request, Trailers},
        wit_future,
    },
    wit_bindgen::{FutureReader, StreamReader, StreamResult},
};

use super::GuestTasks;

/// How much of a body is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

pub(super) struct WasiBody {
    part: Part,
    /// How many bytes are still to come, if the request has said.
    remaining: Option<u64>,
    /// What it has of the budget of this instance.
    share: Option<Share<GuestTasks>>,
}

thread_local! {
    static BUDGET: Rc<Budget<GuestTasks>> = Rc::default();
}

enum Part {
    Unread(Request),
    Reading(StreamReader<u8>, FutureReader<Result<Option<Trailers>, ErrorCode>>),
    Read,
}

impl Body for WasiBody {
    async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        // Then there is no more, and the host need not be asked.
        if self.remaining == Some(0) {
            return Ok(None);
        }
        within::<GuestTasks, _>(patience, self.read()).await.unwrap_or(Err(Interrupted::Silent))
    }

    async fn reserve(&mut self, bytes: usize, most: usize) -> bool {
        let budget = BUDGET.with(Rc::clone);
        self.share = budget.take(bytes, most).await;
        self.share.is_some()
    }

    fn keep(&mut self, bytes: usize) {
        if let Some(share) = &mut self.share {
            share.shrink(bytes);
        }
    }
}

impl WasiBody {
    /// The body of a request, and how many bytes it has if the request says so.
    pub(super) fn new(request: Request, length: Option<u64>) -> Self {
        Self { part: Part::Unread(request), remaining: length, share: None }
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, Interrupted> {
        let (mut stream, trailers) = match std::mem::replace(&mut self.part, Part::Read) {
            Part::Unread(request) => Request::consume_body(request, wit_future::new(|| Ok(())).1),
            Part::Reading(stream, trailers) => (stream, trailers),
            Part::Read => return Ok(None),
        };
        let expected = self.remaining.and_then(|remaining| usize::try_from(remaining).ok());
        let (result, chunk) = stream.read(Vec::with_capacity(expected.map_or(CHUNK, |bytes| bytes.min(CHUNK)))).await;
        if chunk.is_empty() && result == StreamResult::Dropped {
            // Says whether that was the end.
            return trailers.await.map(|_| None).map_err(|_| Interrupted::CutOff);
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(chunk.len() as u64));
        self.part = Part::Reading(stream, trailers);
        Ok(Some(chunk))
    }
}
