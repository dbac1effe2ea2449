//! Holds off the emails of senders that the relay refuses.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use email_queue::{
    Relay,
    transition::relay::{HeldOff, HoldOffFor, end_sender_hold_off, hold_off_sender, sender_access},
};

use crate::{outcome::without_addresses, queue_client::QueueClient, transport::Failure};

pub(crate) struct Senders {
    pub(crate) relay: Relay,
    pub(crate) back_off: HoldOffFor,
    /// Whether any sender is held off, by the last answer of Redis.
    pub(crate) any_held_off: AtomicBool,
}

impl Senders {
    /// Whether any sender may be held off.
    pub(crate) fn any_held_off(&self) -> bool {
        self.any_held_off.load(Ordering::Relaxed)
    }

    /// Why emails of a sender may not be handed to the relay for now, and for how long. It costs a command: call it only while
    /// any sender is held off.
    pub(crate) async fn access(&self, client: &QueueClient, sender: &str) -> Option<HeldOff> {
        sender_access(&client.queue, &self.relay, sender).run(&client.redis).await.ok().flatten()
    }

    /// Holds off this sender's emails. Returns for how long.
    pub(crate) async fn failed(&self, client: &QueueClient, sender: &str, failure: &Failure) -> Duration {
        self.any_held_off.store(true, Ordering::Relaxed);
        let queue = &client.queue;
        let call = hold_off_sender(queue, &self.relay, sender, failure.class, &failure.reason, self.back_off);
        match client.redis.tried(&call).await {
            Ok((is_news, wait)) => {
                if is_news {
                    let (error, wait_s) = (without_addresses(&failure.reason), wait.as_secs());
                    tracing::warn!(relay = %self.relay, error, wait_s, "holding off from one sender's emails");
                }
                wait
            }
            Err(_) => self.back_off.base,
        }
    }

    /// Ends the hold-off of a sender, after the relay has accepted one of its emails.
    pub(crate) async fn passed(&self, client: &QueueClient, sender: &str) {
        client.redis.tried(&end_sender_hold_off(&client.queue, &self.relay, sender)).await.ok();
    }
}
