//! What the API needs of a host's runtime: waiting for another request, waiting for a time, and yielding.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// The runtime that polls the requests of an [`Instance`](crate::instance::Instance), all on one thread.
///
/// The functions have no receiver: they serve the request that is being polled. On tokio they are those of
/// `tokio::sync::oneshot`, `tokio::task::yield_now` and `tokio::time::sleep`. Some hosts do not let one
/// task wake another; there [`notify`](Self::notify) goes through the host.
pub trait Runtime {
    /// How often a request that collects others for a group commit yields without a new one before it continues.
    ///
    /// The default is for a host that begins one request in every second yield.
    const YIELDS_BEFORE_COMMIT: u32 = 3;

    /// Wakes the future of [`notify`](Self::notify) when it is dropped.
    type Notify;

    /// A pair for one notification: the future is ready once the first value is dropped.
    fn notify() -> (Self::Notify, impl Future<Output = ()> + use<Self>);

    /// Lets all other tasks that are ready run, and the host begin more requests.
    fn yield_now() -> impl Future<Output = ()>;

    /// Ready after this time, or slightly later. Dropping the future removes the alarm.
    fn sleep(time: Duration) -> impl Future<Output = ()>;
}

/// The output of a future, or `None` if it is not ready in this time; it is then dropped.
///
/// A future that is ready at once starts no timer.
pub async fn timeout<R: Runtime, O>(time: Duration, future: impl Future<Output = O>) -> Option<O> {
    let mut future = pin!(future);
    let mut sleep = pin!(R::sleep(time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}

#[cfg(test)]
pub(crate) mod testing {
    use std::{
        cell::Cell,
        future::poll_fn,
        mem,
        rc::Rc,
        task::Poll,
        time::{Duration, Instant},
    };

    use super::Runtime;

    /// A runtime whose tasks a test polls again and again until they are ready.
    #[derive(Debug)]
    pub(crate) struct Polled;

    /// A flag that is set when this is dropped.
    #[derive(Debug, Default)]
    pub(crate) struct Notify(Rc<Cell<bool>>);

    impl Drop for Notify {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    impl Runtime for Polled {
        type Notify = Notify;

        fn notify() -> (Notify, impl Future<Output = ()>) {
            let notify = Notify::default();
            let dropped = Rc::clone(&notify.0);
            (notify, poll_fn(move |_| if dropped.get() { Poll::Ready(()) } else { Poll::Pending }))
        }

        fn yield_now() -> impl Future<Output = ()> {
            let mut polled = false;
            poll_fn(move |_| if mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
        }

        fn sleep(time: Duration) -> impl Future<Output = ()> {
            let end = Instant::now() + time;
            poll_fn(move |_| if Instant::now() >= end { Poll::Ready(()) } else { Poll::Pending })
        }
    }
}
