//! The nodes of a Redis Cluster; without a cluster the one Redis.
//!
//! A command goes to the node that the URL leads to, until that one names another for the slot of its key
//! ([`MOVED`](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#moved-redirection)).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use email_queue::{
    Redirect,
    call::{Command, Value},
};

use crate::{
    backend::{Effect, Failure},
    deadline::Deadline,
    redis_client::{Fault, RedisClient},
    runtime::Runtime,
    shared_connection::SharedConnection,
};

/// How many nodes a command is sent to because the one before named the next.
const MAX_HOPS: u32 = 4;

/// For how long a command is tried again while its slot is served by no node. It is not where something else can be done at once.
const LATER: Duration = Duration::from_secs(1);

/// The first pause before such a command is tried again, and the longest: each is twice as long as the one before.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(160)];

/// Connections to the nodes of a cluster, one each. It remembers which node serves which shard of the queue, and asks another
/// node when that one fails.
pub struct Nodes<R: Runtime, C: RedisClient> {
    client: C,
    /// The node that the URL leads to.
    first: Node<R, C>,
    routes: RefCell<Routes<R, C>>,
}

type Node<R, C> = Rc<SharedConnection<R, C>>;

/// The nodes that serve other slots than the first one does.
struct Routes<R: Runtime, C: RedisClient> {
    /// The URL by which they were found. Another one may lead to another cluster.
    url: String,
    /// By hash tag. A queue has as many as it has shards.
    nodes: BTreeMap<Vec<u8>, Node<R, C>>,
}

impl<R: Runtime, C: RedisClient> Nodes<R, C> {
    /// Connects to nothing yet.
    pub fn new(client: C) -> Self {
        let first = Rc::new(SharedConnection::new(client.clone(), None));
        Self { client, first, routes: RefCell::new(Routes { url: String::new(), nodes: BTreeMap::new() }) }
    }

    /// Runs a command on the node that serves the slot of its key. Of the cluster at least one node must be known: the one that
    /// `url` leads to, or one of those that were named before.
    ///
    /// A slot that is being moved, or that no node serves, is tried again for up to a second, unless the deadline says that
    /// something else can be done. What a node has got and not answered
    /// is sent again to the node that takes its place, as [`Command::resent`].
    ///
    /// When the future is dropped, Redis may or may not carry out the command.
    ///
    /// # Errors
    /// As the client says; [`RedisClient::timed_out`] at the deadline.
    pub async fn execute(&self, url: &str, command: &Command<'_>, deadline: Deadline) -> Result<Vec<Value>, C::Error> {
        let node = self.node_for(url, command);
        match node.execute(url, command, deadline).await {
            // In a box, because it is rare, and large.
            Err(error) => Box::pin(self.ask_others(node, error, url, command, deadline)).await,
            answer => answer,
        }
    }

    /// Asks the nodes that may know better than the one that has answered with this error.
    async fn ask_others(
        &self,
        mut asked: Node<R, C>,
        mut error: C::Error,
        url: &str,
        command: &Command<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Value>, C::Error> {
        let patience = if deadline.has_alternative() { Duration::ZERO } else { LATER };
        let until = deadline.answered.min(Instant::now() + patience);
        let (mut hops, mut pause) = (0, PAUSES[0]);
        // A node that could not be reached, and whether the one asked last was named by another just now.
        let (mut failed, mut was_named): (Option<Node<R, C>>, bool) = (None, false);
        let mut was_lost = false;
        loop {
            was_lost |= error.effect() == Effect::Unknown;
            let next = match C::redirect(&error) {
                Some(Redirect::Moved(address)) => {
                    let named = self.named(&address, &asked);
                    if hops == MAX_HOPS || failed.as_ref().is_some_and(|failed| failed.node() == named.node()) {
                        return Err(error);
                    }
                    (hops, was_named) = (hops + 1, true);
                    self.remember(url, command, &named);
                    named
                }
                Some(Redirect::Later) => {
                    // A node that has left the cluster serves no slot either: the first one knows who does.
                    self.forget(command);
                    if Instant::now() + pause >= until {
                        return Err(error);
                    }
                    R::sleep(pause).await;
                    pause = PAUSES[1].min(2 * pause);
                    (hops, was_named) = (0, false);
                    self.other_than(&asked).unwrap_or_else(|| Rc::clone(&self.first))
                }
                None if C::fault(&error) == Some(Fault::Broken) => {
                    self.forget(command);
                    let is_over = was_named || failed.is_some() || Instant::now() >= deadline.answered;
                    let Some(other) = self.other_than(&asked).filter(|_| !is_over) else { return Err(error) };
                    failed = Some(asked);
                    other
                }
                None => return Err(error),
            };
            asked = next;
            let answer = if was_lost {
                asked.execute(url, &command.resent(), deadline).await.map_err(Failure::after_lost_answer)
            } else {
                asked.execute(url, command, deadline).await
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(other) => error = other,
            }
        }
    }

    /// Whom to ask first.
    fn node_for(&self, url: &str, command: &Command<'_>) -> Node<R, C> {
        let routes = self.routes.borrow();
        let known = if routes.nodes.is_empty() || routes.url != url {
            None
        } else {
            command.hash_tag().and_then(|tag| routes.nodes.get(tag))
        };
        Rc::clone(known.unwrap_or(&self.first))
    }

    /// The node that another one names by this address.
    fn named(&self, address: &str, by: &SharedConnection<R, C>) -> Node<R, C> {
        // Without a host it is the host of the one that answers; the client knows that of the first one.
        let host = by.node().and_then(|node| node.rsplit_once(':')).map_or("", |(host, _)| host);
        let address = if address.starts_with(':') { format!("{host}{address}") } else { address.to_owned() };
        let routes = self.routes.borrow();
        let known = routes.nodes.values().chain([&self.first]).find(|node| node.node() == Some(address.as_str()));
        known.cloned().unwrap_or_else(|| Rc::new(SharedConnection::new(self.client.clone(), Some(address))))
    }

    fn remember(&self, url: &str, command: &Command<'_>, node: &Node<R, C>) {
        // Without one it is no queue of a cluster: nothing bounds how many such keys there are.
        let Some(tag) = command.hash_tag() else { return };
        let mut routes = self.routes.borrow_mut();
        if routes.url != url {
            *routes = Routes { url: url.to_owned(), nodes: BTreeMap::new() };
        }
        routes.nodes.insert(tag.to_owned(), Rc::clone(node));
    }

    fn forget(&self, command: &Command<'_>) {
        if let Some(tag) = command.hash_tag() {
            self.routes.borrow_mut().nodes.remove(tag);
        }
    }

    /// A node that may know who serves a slot, instead of this one.
    fn other_than(&self, asked: &Node<R, C>) -> Option<Node<R, C>> {
        if Rc::ptr_eq(asked, &self.first) {
            return self.routes.borrow().nodes.values().next().cloned();
        }
        Some(Rc::clone(&self.first))
    }
}

#[cfg(test)]
mod tests;
