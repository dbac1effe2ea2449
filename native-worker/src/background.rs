//! The tasks that run beside the deliveries as long as the worker runs. If one panics, the worker ends.

use std::{collections::HashMap, future::pending, sync::Arc};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Tasks with names.
#[derive(Default)]
pub(crate) struct BackgroundTasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl BackgroundTasks {
    /// Starts a task that ends by itself when `stop` is cancelled.
    pub(crate) fn spawn<S, F>(
        &mut self,
        name: &'static str,
        shared: &Arc<S>,
        stop: &CancellationToken,
        task: impl FnOnce(Arc<S>, CancellationToken) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.tasks.spawn(task(Arc::clone(shared), stop.clone()));
        self.names.insert(task.id(), name);
    }

    /// Waits until a task panics, and returns its name. Waits for ever when none does.
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn panicked(&mut self) -> &'static str {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Err(error) = ended {
                return self.names.get(&error.id()).copied().unwrap_or("unknown");
            }
        }
        pending().await
    }

    /// Waits until all have ended.
    pub(crate) async fn end(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_named_and_one_that_ends_is_not() {
        let mut background = BackgroundTasks::default();
        let (shared, stop) = (Arc::new(()), CancellationToken::new());
        background.spawn("well", &shared, &stop, async |_, _| {});
        background.spawn("waits", &shared, &stop, async |_, stop| stop.cancelled().await);
        background.spawn("breaks", &shared, &stop, async |_, _| panic!("on purpose"));
        assert_eq!(background.panicked().await, "breaks");
        stop.cancel();
        background.end().await;
    }
}
