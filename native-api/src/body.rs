//! The body of a request, as hyper has it.

use std::{rc::Rc, time::Duration};

use api::{
    body::{Body, Interrupted},
    budget::{Budget, Share},
    tasks::within,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::tasks::LocalTasks;

pub(crate) struct RequestBody {
    incoming: Incoming,
    budget: Rc<Budget<LocalTasks>>,
    /// What it has of the budget of this thread.
    share: Option<Share<LocalTasks>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, budget: Rc<Budget<LocalTasks>>) -> Self {
        Self { incoming, budget, share: None }
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, Interrupted> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|_| Interrupted::CutOff)?;
            // Trailers mean nothing to the API.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data.into()));
            }
        }
        Ok(None)
    }
}

impl Body for RequestBody {
    async fn chunk(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        within::<LocalTasks, _>(timeout, self.read()).await.unwrap_or(Err(Interrupted::Silent))
    }

    async fn reserve(&mut self, bytes: usize, most: usize) -> bool {
        self.share = self.budget.take(bytes, most).await;
        self.share.is_some()
    }

    fn keep(&mut self, bytes: usize) {
        if let Some(share) = &mut self.share {
            share.shrink(bytes);
        }
    }
}
