//! The interface to a Redis client: commands to send, and typed replies. It does not depend on any client.

use std::{future::Future, sync::Arc, time::Duration};

pub use crate::value::Value;
use crate::{
    replication::{Confirmed, Replication, Wait},
    script::Script,
};

/// One Redis command, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    /// The command's name, such as `EVALSHA`.
    pub name: &'static str,
    /// Its arguments, in order.
    pub arguments: Vec<&'a [u8]>,
    /// Whether a repetition of the command has an extra argument, without which its reply would differ.
    pub marked_when_resent: bool,
    /// What must have its writes before the reply counts. The client then sends [`Replication::wait`] on the same connection,
    /// and appends that reply to the one of this command.
    pub replication: Option<Replication>,
}

impl Command<'_> {
    /// The command to repeat after its reply was lost. Redis replies as it did the first time, or would have.
    #[must_use]
    pub fn resent(&self) -> Self {
        let mut resent = self.clone();
        if self.marked_when_resent {
            resent.arguments.push(AGAIN);
        }
        resent
    }

    /// What Redis Cluster finds the slot of its key by, and so the node: the text in the first braces, its
    /// [hash tag](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags). `None` for a key without
    /// braces, and for a command without a key.
    #[must_use]
    pub fn hash_tag(&self) -> Option<&[u8]> {
        let is_script = matches!(self.name, "EVALSHA" | "EVAL");
        let key = *self.arguments.get(if is_script { 2 } else { 0 })?;
        let begin = key.iter().position(|&byte| byte == b'{')? + 1;
        let length = key[begin..].iter().position(|&byte| byte == b'}')?;
        Some(&key[begin..begin + length]).filter(|tag| !tag.is_empty())
    }
}

impl<'a> From<&'a Wait> for Command<'a> {
    fn from(wait: &'a Wait) -> Self {
        let arguments = wait.arguments().map(str::as_bytes).collect();
        Self { name: wait.name(), arguments, marked_when_resent: false, replication: None }
    }
}

/// The last argument of a repeated script call.
const AGAIN: &[u8] = b"again";

/// Executes commands. The API implements it over Spin's outbound Redis, the worker over its client.
pub trait Redis {
    /// A connection error, or an error reply of Redis.
    type Error;

    /// Sends one command and returns its answer.
    ///
    /// When the future is dropped, Redis may or may not have executed the command.
    ///
    /// # Errors
    /// Redis is unreachable, does not reply in time, or replies with an error.
    fn execute(&self, command: Command<'_>) -> impl Future<Output = Result<Vec<Value>, Self::Error>>;

    /// Whether Redis refused an `EVALSHA` because it does not have the script
    /// ([`NOSCRIPT`](https://redis.io/docs/latest/commands/evalsha/)).
    fn is_unknown_script(error: &Self::Error) -> bool;
}

/// A command whose reply is parsed as a `T`.
#[derive(Debug)]
#[must_use = "a call does nothing until it is run"]
pub struct Call<T> {
    kind: Kind,
    arguments: Vec<Argument>,
    marked_when_resent: bool,
    replication: Option<Replication>,
    /// Whether a reply needs the replication. Others have written nothing.
    needs_replication: fn(&T) -> bool,
    read: fn(&mut Answer) -> Result<T, UnexpectedAnswer>,
}

#[derive(Debug)]
enum Argument {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Argument {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Script(&'static Script),
    Plain(&'static str),
}

impl<T> Call<T> {
    /// A transition of `queue`. The script finds all keys from the queue's name.
    pub(crate) fn script(
        script: &'static Script,
        queue: &crate::Queue,
        read: fn(&mut Answer) -> Result<T, UnexpectedAnswer>,
    ) -> Self {
        let arguments = vec![Argument::Own(queue.name().into())];
        Self {
            kind: Kind::Script(script),
            arguments,
            marked_when_resent: false,
            replication: None,
            needs_replication: |_| true,
            read,
        }
    }

    /// A command of Redis' own.
    pub(crate) fn plain(name: &'static str, read: fn(&mut Answer) -> Result<T, UnexpectedAnswer>) -> Self {
        Self {
            kind: Kind::Plain(name),
            arguments: Vec::new(),
            marked_when_resent: false,
            replication: None,
            needs_replication: |_| true,
            read,
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(Argument::Own(argument.into()));
        self
    }

    /// A large argument that is shared with its owner.
    pub(crate) fn shared(mut self, argument: Arc<Vec<u8>>) -> Self {
        self.arguments.push(Argument::Shared(argument));
        self
    }

    pub(crate) fn number(self, number: impl ToString) -> Self {
        self.argument(number.to_string())
    }

    /// A duration as the scripts count it, in ms.
    pub(crate) fn milliseconds(self, duration: Duration) -> Self {
        self.number(milliseconds(duration))
    }

    /// Appends the argument `again` to a repetition of the call.
    pub(crate) fn marked_when_resent(mut self) -> Self {
        self.marked_when_resent = true;
        self
    }

    /// Lets the call fail with [`CallError::NotReplicated`] unless so many replicas have what it wrote. A call that writes
    /// nothing checks how many are connected.
    pub fn replicated(mut self, replication: Option<Replication>) -> Self {
        self.replication = replication;
        self
    }

    /// Lets only such replies fail by it.
    pub(crate) fn replication_needed_for(mut self, needs_replication: fn(&T) -> bool) -> Self {
        self.needs_replication = needs_replication;
        self
    }

    /// What the call does, for logs and errors: a transition's name, or a Redis command.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Script(script) => script.name,
            Kind::Plain(name) => name,
        }
    }

    /// Executes the call: a script by `EVALSHA`, or by `EVAL` if Redis does not have it yet.
    ///
    /// When the future is dropped, Redis may or may not have executed the transition, but never half of it.
    ///
    /// # Errors
    /// [`CallError::Redis`] from the client; [`CallError::Answer`] if the reply does not have the transition's format;
    /// [`CallError::NotReplicated`] if the call has been carried out, and too few replicas have it.
    pub async fn run<R: Redis>(&self, redis: &R) -> Result<T, CallError<R::Error>> {
        let answer = match self.kind {
            Kind::Plain(name) => redis.execute(self.command(name, None)).await,
            Kind::Script(script) => match redis.execute(self.command("EVALSHA", Some(script.sha1))).await {
                Err(error) if R::is_unknown_script(&error) => {
                    redis.execute(self.command("EVAL", Some(script.source))).await
                }
                answer => answer,
            },
        };
        let mut values = answer.map_err(CallError::Redis)?;
        let unexpected = || CallError::Answer(self.name());
        let confirmed = self.replication.map(|replication| replication.take_reply(&mut values).ok_or_else(unexpected));
        let confirmed = confirmed.transpose()?;
        let mut answer = Answer(values.into_iter());
        let value =
            (self.read)(&mut answer).and_then(|value| answer.end().map(|()| value)).map_err(|_| unexpected())?;
        match confirmed.filter(|confirmed| !confirmed.is_enough()) {
            Some(confirmed) if (self.needs_replication)(&value) => Err(CallError::NotReplicated(confirmed)),
            _ => Ok(value),
        }
    }

    fn command<'a>(&'a self, name: &'static str, script: Option<&'a str>) -> Command<'a> {
        let script = script.map(|script| [script.as_bytes(), b"1"]);
        let arguments = script.iter().flatten().copied().chain(self.arguments.iter().map(Argument::as_slice)).collect();
        Command { name, arguments, marked_when_resent: self.marked_when_resent, replication: self.replication }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Checks that Redis replies ([`PING`](https://redis.io/docs/latest/commands/ping/)).
pub fn ping() -> Call<()> {
    Call::plain("PING", |answer| answer.next().map(drop))
}

/// Why a [`Call`] has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError<E> {
    /// The client could not send the command, or Redis replied with an error.
    #[error(transparent)]
    Redis(E),
    /// The reply does not have the format of the named transition.
    #[error("Redis gave an unexpected answer to {0}")]
    Answer(&'static str),
    /// Redis has carried out the call, and replicas have not confirmed it.
    #[error("not replicated: {0}")]
    NotReplicated(Confirmed),
}

/// A reply does not have the expected format.
#[derive(Debug)]
pub(crate) struct UnexpectedAnswer;

/// An answer, read value by value.
#[derive(Debug)]
pub(crate) struct Answer(std::vec::IntoIter<Value>);

impl Answer {
    #[cfg(test)]
    pub(crate) fn of(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub(crate) fn next(&mut self) -> Result<Value, UnexpectedAnswer> {
        self.0.next().ok_or(UnexpectedAnswer)
    }

    pub(crate) fn number<N: TryFrom<i64>>(&mut self) -> Result<N, UnexpectedAnswer> {
        match self.next()? {
            Value::Int(number) => number.try_into().map_err(|_| UnexpectedAnswer),
            _ => Err(UnexpectedAnswer),
        }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, UnexpectedAnswer> {
        self.number::<u8>().map(|number| number == 1)
    }

    /// All that are left, one for each email of the call.
    pub(crate) fn flags(&mut self) -> Result<Vec<bool>, UnexpectedAnswer> {
        let mut flags = Vec::new();
        while !self.is_empty() {
            flags.push(self.flag()?);
        }
        Ok(flags)
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, UnexpectedAnswer> {
        self.optional_bytes()?.ok_or(UnexpectedAnswer)
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, UnexpectedAnswer> {
        match self.next()? {
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::Nil => Ok(None),
            _ => Err(UnexpectedAnswer),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, UnexpectedAnswer> {
        self.optional_text()?.ok_or(UnexpectedAnswer)
    }

    /// A script cannot reply with nil inside a list, so an empty string counts as none.
    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, UnexpectedAnswer> {
        let text = self.optional_bytes()?.map(String::from_utf8).transpose().map_err(|_| UnexpectedAnswer)?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Human-readable text. Invalid UTF-8 is replaced.
    pub(crate) fn prose(&mut self) -> Result<Option<String>, UnexpectedAnswer> {
        let text = self.optional_bytes()?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// An optional field of a hash: a number or a word.
    pub(crate) fn optional<T: std::str::FromStr>(&mut self) -> Result<Option<T>, UnexpectedAnswer> {
        self.optional_text()?.map(|text| text.parse()).transpose().map_err(|_| UnexpectedAnswer)
    }

    fn end(&self) -> Result<(), UnexpectedAnswer> {
        if self.is_empty() { Ok(()) } else { Err(UnexpectedAnswer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tag_of_a_command_is_that_of_its_key() {
        let tag = |name, arguments: &[&'static str]| {
            let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
            let command = Command { name, arguments, marked_when_resent: false, replication: None };
            command.hash_tag().map(|tag| String::from_utf8(tag.to_vec()).unwrap())
        };
        assert_eq!(tag("EVALSHA", &["{sha}", "1", "{emails:1}", "{other}"]).as_deref(), Some("emails:1"));
        assert_eq!(tag("EVAL", &["return {1}", "1", "a{b}{c}"]).as_deref(), Some("b"));
        assert_eq!(tag("GET", &["{emails}:default-from"]).as_deref(), Some("emails"));
        for (name, arguments) in [
            ("PING", &[][..]),
            ("EVALSHA", &["{sha}", "1"]),
            ("GET", &["emails"]),
            ("GET", &["{}a"]),
            ("GET", &["}{a"]),
        ] {
            assert_eq!(tag(name, arguments), None, "{name} {arguments:?}");
        }
    }
}
