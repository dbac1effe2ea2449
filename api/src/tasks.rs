//! What requests that one instance serves at the same time can do with each other, and with time.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// The requests of an instance, each a task of its host. Under WASI 0.3 a task is woken by its host alone, and not by
/// another task, so both ways of waiting for others are the host's to make.
pub trait Tasks {
    /// The one end of [`wait`](Self::wait).
    type Hold;

    /// Something to wait for: the future is ready once the first value is dropped.
    fn wait() -> (Self::Hold, impl Future<Output = ()> + use<Self>);

    /// Lets the other tasks go on, and the host begin others. Ready when all that could go on at once have done so.
    fn turn() -> impl Future<Output = ()>;

    /// Ready after this time.
    fn pause(time: Duration) -> impl Future<Output = ()>;
}

/// What comes of a future, if it comes in this time; `None` where it does not, and then the future is dropped.
///
/// A future that need not wait costs no clock.
pub async fn within<T: Tasks, O>(time: Duration, future: impl Future<Output = O>) -> Option<O> {
    let mut future = pin!(future);
    let mut pause = pin!(T::pause(time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
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

    use super::Tasks;

    /// Tasks that are polled again and again until they are ready.
    #[derive(Debug)]
    pub(crate) struct Polled;

    /// Tells its other end when it is dropped.
    #[derive(Debug, Default)]
    pub(crate) struct Hold(Rc<Cell<bool>>);

    impl Drop for Hold {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    impl Tasks for Polled {
        type Hold = Hold;

        fn wait() -> (Hold, impl Future<Output = ()>) {
            let hold = Hold::default();
            let dropped = Rc::clone(&hold.0);
            (hold, poll_fn(move |_| if dropped.get() { Poll::Ready(()) } else { Poll::Pending }))
        }

        fn turn() -> impl Future<Output = ()> {
            let mut polled = false;
            poll_fn(move |_| if mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
        }

        fn pause(time: Duration) -> impl Future<Output = ()> {
            let end = Instant::now() + time;
            poll_fn(move |_| if Instant::now() >= end { Poll::Ready(()) } else { Poll::Pending })
        }
    }
}
