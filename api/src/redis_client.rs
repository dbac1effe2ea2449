//! What a host gives for connections to Redis.

use std::future::Future;

use email_queue::{
    Redirect,
    call::{Command, Value},
};

use crate::backend::Failure;

/// A client of Redis whose connections carry the commands of several requests at the same time.
pub trait RedisClient: Clone {
    /// An open connection. Dropping it closes it.
    type Connection;
    /// Why a command has no answer, or why there is no connection.
    type Error: Failure + Clone;

    /// Opens a connection to the Redis of a URL, or to another node of its cluster: the same user, password and kind of connection
    /// at another address, `host:port`. An IPv6 address has no brackets, and a host that is missing is that of the URL. When the
    /// future is dropped, so is what was opened.
    ///
    /// # Errors
    /// No connection could be opened. The [effect](Failure::effect) of the error is
    /// [`NotSent`](crate::backend::Effect::NotSent).
    fn open(&self, url: &str, node: Option<&str>) -> impl Future<Output = Result<Self::Connection, Self::Error>>;

    /// Sends one command and returns its answer, with nested arrays flattened.
    ///
    /// The future may be dropped before the answer is there. That must not affect the other commands on the connection.
    ///
    /// # Errors
    /// As [`Redis::execute`](email_queue::call::Redis::execute).
    fn execute(
        &self,
        connection: &Self::Connection,
        command: &Command<'_>,
    ) -> impl Future<Output = Result<Vec<Value>, Self::Error>>;

    /// Why the connection on which an error of [`execute`](Self::execute) came is not used any more; `None` if it is.
    fn fault(error: &Self::Error) -> Option<Fault>;

    /// The redirect, if Redis has answered with one.
    fn redirect(error: &Self::Error) -> Option<Redirect>;

    /// Whether Redis refused an `EVALSHA` because it does not have the script.
    fn is_unknown_script(error: &Self::Error) -> bool;

    /// The error of a command that has no answer at its deadline. `was_sent` says whether Redis may have it.
    fn timed_out(command: &Command<'_>, was_sent: bool) -> Self::Error;
}

/// Why a connection is not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis has answered that it does not serve this, such as a replica that was the primary. A new connection may lead to
    /// another server.
    WrongServer,
    /// The error is not an answer of Redis: the connection is broken, and Redis may or may not have carried out the command.
    Broken,
}
