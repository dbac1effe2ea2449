//! The body of a request to an instance, with the time-outs and the memory budget of the instance.

use std::{future::Future, time::Duration};

use crate::{
    body::{Body, BodyError},
    budget::{Budget, Reservation},
    runtime::{Runtime, timeout},
};

/// The body of a request, as a host streams it.
pub trait BodyStream {
    /// A piece of a body.
    type Chunk: AsRef<[u8]>;

    /// The next piece, of a size that the host chooses; `None` at the end. Waits as long as it takes. Not called again after its
    /// future was dropped, after the end, or after an error.
    ///
    /// # Errors
    /// The rest cannot be read.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Chunk>, BodyError>>;
}

pub(super) struct InstanceBody<'a, B, R: Runtime> {
    stream: B,
    budget: &'a Budget<R>,
    reservation: Option<Reservation<'a, R>>,
}

impl<'a, B, R: Runtime> InstanceBody<'a, B, R> {
    pub(super) fn new(stream: B, budget: &'a Budget<R>) -> Self {
        Self { stream, budget, reservation: None }
    }
}

impl<B: BodyStream, R: Runtime> Body for InstanceBody<'_, B, R> {
    type Chunk = B::Chunk;

    async fn chunk(&mut self, time: Duration) -> Result<Option<B::Chunk>, BodyError> {
        timeout::<R, _>(time, self.stream.next()).await.unwrap_or(Err(BodyError::TimedOut))
    }

    async fn reserve(&mut self, bytes: usize, limit: usize) -> bool {
        self.reservation = self.budget.reserve(bytes, limit).await;
        self.reservation.is_some()
    }

    fn shrink(&mut self, bytes: usize) {
        if let Some(reservation) = &mut self.reservation {
            reservation.shrink(bytes);
        }
    }
}
