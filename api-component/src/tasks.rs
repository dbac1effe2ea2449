//! What requests that one instance serves at the same time can do with each other.

use std::future::Future;

/// The requests of an instance, each a task of its host. Under WASI 0.3 a task is woken by its host alone, and not by
/// another task, so both ways of waiting for others are the host's to make.
pub trait Tasks {
    /// The one end of [`wait`](Self::wait).
    type Hold;

    /// Something to wait for: the future is ready once the first value is dropped.
    fn wait() -> (Self::Hold, impl Future<Output = ()> + use<Self>);

    /// Lets the other tasks go on, and the host begin others. Ready when all that could go on at once have done so.
    fn turn() -> impl Future<Output = ()>;
}

#[cfg(test)]
pub(crate) mod testing {
    use std::{cell::Cell, future::poll_fn, mem, rc::Rc, task::Poll};

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
    }
}
