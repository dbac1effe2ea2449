//! A connection of a guest.

use redis::aio::MultiplexedConnection;

/// A guest's connection. A clone is the same connection, and each command gets its own answer.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated module exports it again")]
pub struct Connection(pub(crate) MultiplexedConnection);
