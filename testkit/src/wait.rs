//! Waiting for a condition, with a deadline and a name.

use std::time::Duration;

use harness::wait::{Answer, PAUSE};
use tokio::sync::watch;

pub use harness::wait::{DEADLINE, eventually as eventually_blocking};

/// Calls `condition` every few milliseconds until it holds, and returns its value.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut asked = 0;
/// testkit::eventually(testkit::DEADLINE, "the third question", async || {
///     asked += 1;
///     asked == 3
/// })
/// .await;
/// # }
/// ```
///
/// # Panics
/// Naming `what`, when `deadline` has passed. A condition that never returns is abandoned then as well.
pub async fn eventually<A: Answer>(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> A) -> A::Value {
    let mut missing = String::new();
    let asking = async {
        loop {
            match condition().await.value() {
                Ok(value) => return value,
                Err(still) => missing = still,
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(deadline, asking).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} in vain for {what}{missing}"),
    }
}

/// Waits until the watched value satisfies `condition`, looking only when it has changed, and returns what `take`
/// makes of it.
///
/// # Panics
/// With the text that `complaint` makes of the value, when `deadline` has passed.
pub(crate) async fn watched<T, R>(
    sender: &watch::Sender<T>,
    deadline: Duration,
    mut condition: impl FnMut(&T) -> bool,
    take: impl FnOnce(&T) -> R,
    complaint: impl FnOnce(&T) -> String,
) -> R {
    let mut receiver = sender.subscribe();
    // The sender is borrowed for the whole wait, so the channel cannot close: an error can only be the time-out.
    match tokio::time::timeout(deadline, receiver.wait_for(|value| condition(value))).await {
        Ok(Ok(value)) => take(&value),
        _ => panic!("waited {deadline:?} in vain for {}", complaint(&sender.borrow())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn eventually_returns_the_value_once_there_is_one() {
        let mut asked = 0;
        let value = eventually(DEADLINE, "a value", async || {
            asked += 1;
            (asked == 3).then_some("here")
        })
        .await;
        assert_eq!((value, asked), ("here", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for pigs to fly")]
    async fn eventually_names_what_never_came() {
        eventually(Duration::from_millis(20), "pigs to fly", async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer")]
    async fn eventually_gives_up_a_question_that_hangs() {
        eventually(Duration::from_millis(20), "an answer", async || std::future::pending::<bool>().await).await;
    }
}
