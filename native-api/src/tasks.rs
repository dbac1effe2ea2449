//! The requests of one thread: each connection is a task of the thread's [`LocalSet`](tokio::task::LocalSet).

use std::{convert::Infallible, future::Future, time::Duration};

use api::tasks::Tasks;
use tokio::{sync::oneshot, task::yield_now, time::sleep};

pub(crate) struct LocalTasks;

impl Tasks for LocalTasks {
    type Hold = oneshot::Sender<Infallible>;

    fn wait() -> (Self::Hold, impl Future<Output = ()>) {
        let (hold, dropped) = oneshot::channel();
        (hold, async {
            // Nothing is ever sent.
            let _dropped = dropped.await;
        })
    }

    fn turn() -> impl Future<Output = ()> {
        yield_now()
    }

    fn pause(time: Duration) -> impl Future<Output = ()> {
        sleep(time)
    }
}
