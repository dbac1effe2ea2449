//! How many connections the server may be given at once.

use tokio::sync::watch;

/// The most connections that the server is known to take, as far as that was learned; `None` as long as it has never
/// refused one beside others. It can be set from outside by whoever has learned it elsewhere.
#[derive(Debug)]
#[allow(dead_code, reason = "what reads it comes with the hold-offs")]
pub(crate) struct ConnectionLimit(watch::Sender<Option<usize>>);

#[allow(dead_code, reason = "what reads it comes with the hold-offs")]
impl ConnectionLimit {
    pub(crate) fn get(&self) -> Option<usize> {
        *self.0.borrow()
    }

    /// Sets the limit, and tells those who have subscribed if it is another one. No limit is lower than 1.
    pub(crate) fn set(&self, limit: Option<usize>) {
        let limit = limit.map(|limit| limit.max(1));
        self.0.send_if_modified(|present| std::mem::replace(present, limit) != limit);
    }

    /// Is told of each change of the limit, whoever made it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<usize>> {
        self.0.subscribe()
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}
