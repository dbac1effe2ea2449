//! Which node serves a shard, as far as is known.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use email_queue::{Queue, Redirect};
use redis::RedisError;

use crate::{
    nodes::{Node, Nodes},
    redis_error::{ends_connection, is_cut_off},
};

/// How often in a row a command may be led from node to node. While a slot changes hands two nodes may name each other.
pub(crate) const MAX_HOPS: usize = 5;

/// The node of a shard: at first that of the Redis URL, then where that leads to.
pub(crate) struct Route {
    nodes: Arc<Nodes>,
    queue: Queue,
    current: Mutex<Arc<Node>>,
    /// Whether the present node has not answered yet.
    is_news: AtomicBool,
    /// How often another node had to be asked.
    asked: AtomicUsize,
}

impl Route {
    pub(crate) fn new(nodes: &Arc<Nodes>, queue: Queue) -> Self {
        Self {
            nodes: Arc::clone(nodes),
            queue,
            current: Mutex::new(Arc::clone(nodes.first())),
            is_news: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        }
    }

    /// The shard.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The node to send commands to.
    pub(crate) fn node(&self) -> Arc<Node> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the present node has carried out a command.
    pub(crate) fn answered(&self) {
        if self.is_news.load(Ordering::Relaxed) && self.is_news.swap(false, Ordering::Relaxed) {
            tracing::info!(queue = self.queue.name(), redis = %self.node(), "this node of the cluster serves the queue now");
        }
    }

    /// Notes that a command has failed at a node. Returns whether another node is to carry it out at once. If a node cannot be
    /// reached, is cut off or has become a replica, the next command goes to another one, which may know who serves the slot by then.
    pub(crate) fn failed(&self, node: &Arc<Node>, error: &RedisError) -> bool {
        let next = match Redirect::of(&error.to_string()) {
            Some(Redirect::Moved(address)) => self.nodes.named(node, &address),
            _ if ends_connection(error) || is_cut_off(error) => {
                if let Some(other) = self.nodes.other_than(node, self.asked.fetch_add(1, Ordering::Relaxed)) {
                    self.change(node, other);
                }
                None
            }
            Some(Redirect::Later) | None => None,
        };
        let is_led = next.is_some();
        if let Some(next) = next {
            self.change(node, next);
        }
        is_led
    }

    /// Unless another task has found out more since.
    fn change(&self, from: &Arc<Node>, to: Arc<Node>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, from) && !Arc::ptr_eq(&current, &to) {
            tracing::debug!(queue = self.queue.name(), %from, %to, "another node is asked");
            self.is_news.store(true, Ordering::Relaxed);
            *current = to;
        }
    }
}
