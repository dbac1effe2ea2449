//! What a test can ask of the server, and when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The points of a session at which a script is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection was accepted; the greeting comes next.
    Connect,
    /// `EHLO` or `HELO`.
    Hello,
    /// `STARTTLS`, before the handshake.
    StartTls,
    /// `AUTH`, once the credentials have arrived.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`, once for each recipient.
    Rcpt,
    /// `DATA`, before the 354.
    Data,
    /// The 354 was sent and the first bytes of the message have arrived.
    Body,
    /// The whole message has arrived, up to the dot: now it is to be stored and answered.
    EndOfData,
    /// `RSET`.
    Reset,
    /// `NOOP`, which pooling clients use to see whether a connection is alive.
    Noop,
    /// `QUIT`.
    Quit,
}

/// One step of a session, as a script sees it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Where the session is.
    pub stage: Stage,
    /// Which connection it is; the first that the server accepted is 1.
    pub connection: usize,
    /// How often sessions of this server have come to this stage, this time included.
    pub nth: usize,
    /// At `Rcpt`: how often this recipient has been named, this time included. At `Data`, `Body` and `EndOfData`: how
    /// often `DATA` has come for the first accepted recipient. Elsewhere 0.
    pub attempt: usize,
    /// At `Mail`, the sender that is being named; in a transaction, its sender; elsewhere empty.
    pub sender: &'a str,
    /// At `Rcpt`, the recipient that is being named.
    pub recipient: Option<&'a str>,
    /// The recipients accepted so far in this transaction.
    pub recipients: &'a [String],
    /// At `EndOfData`, the message; elsewhere empty.
    pub data: &'a [u8],
}

/// What the server does at a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// Accepts.
    Accept,
    /// Answers with this. A reply below 400 accepts as well, only in other words; 421 closes the connection after it,
    /// and so does any reply at [`Stage::Connect`] and [`Stage::Body`].
    Reply(Reply),
    /// Never answers; the connection stays open until the client closes it.
    Hang,
    /// Closes the connection without an answer.
    Drop,
    /// At [`Stage::EndOfData`], stores the message and then closes the connection without an answer: the client cannot
    /// know that the message was taken. Elsewhere the same as [`Action::Drop`].
    StoreThenDrop,
    /// Waits for [`SmtpServer::release`](super::SmtpServer::release) and then accepts.
    Hold,
    /// Waits this long, and then does the other thing.
    After(Duration, Box<Action>),
}

/// An answer of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code, of three digits (RFC 5321, section 4.2.1).
    pub code: u16,
    /// The text, without CRLF; each of its lines becomes one of the answer.
    pub text: String,
    /// Whether the text is all that is sent, as it is.
    pub(super) raw: bool,
}

/// Rules, of which the first that fits a step decides; where none fits, the server accepts.
#[derive(Default)]
pub struct Rules {
    rules: Vec<(Condition, Action)>,
}

type Condition = Box<dyn Fn(&Step<'_>) -> bool + Send + Sync>;

impl Action {
    /// [`Action::Reply`] with this code and text, such as `550` and `5.1.1 no such user`.
    pub fn reply(code: u16, text: impl Into<String>) -> Self {
        Self::Reply(Reply::new(code, text))
    }

    /// [`Action::Reply`] with a [raw](Reply::raw) answer.
    pub fn raw(code: u16, bytes: impl Into<String>) -> Self {
        Self::Reply(Reply::raw(code, bytes))
    }

    /// [`Action::After`]: accepts, but slowly.
    pub fn accept_after(delay: Duration) -> Self {
        Self::After(delay, Box::new(Self::Accept))
    }
}

impl Reply {
    /// # Panics
    /// When the code is not one that a server may send.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        assert!((200..600).contains(&code), "{code} is no SMTP reply code");
        Self { code, text: text.into(), raw: false }
    }

    /// Sends these bytes, whatever they are, and goes on as after an answer with this code.
    ///
    /// # Panics
    /// When the code is not one that a server may send.
    pub fn raw(code: u16, bytes: impl Into<String>) -> Self {
        Self { raw: true, ..Self::new(code, bytes) }
    }

    /// Whether it is positive, or asks the client to continue.
    pub(super) fn is_positive(&self) -> bool {
        self.code < 400
    }
}

impl Rules {
    /// No rules: everything is accepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does `action` at every step that satisfies `condition`.
    pub fn when(mut self, condition: impl Fn(&Step<'_>) -> bool + Send + Sync + 'static, action: Action) -> Self {
        self.rules.push((Box::new(condition), action));
        self
    }

    /// Does `action` whenever a session comes to `stage`.
    pub fn at(self, stage: Stage, action: Action) -> Self {
        self.when(move |step| step.stage == stage, action)
    }

    /// Does `action` when sessions come to `stage` for the `nth` time; the first is 1.
    pub fn nth(self, stage: Stage, nth: usize, action: Action) -> Self {
        self.when(move |step| step.stage == stage && step.nth == nth, action)
    }

    /// Does `action` the first `count` times that sessions come to `stage`.
    pub fn first(self, stage: Stage, count: usize, action: Action) -> Self {
        self.when(move |step| step.stage == stage && step.nth <= count, action)
    }

    /// Does `action` whenever this recipient is named in a `RCPT`.
    pub fn recipient(self, address: impl Into<String>, action: Action) -> Self {
        let address = address.into();
        self.when(move |step| step.recipient == Some(&address), action)
    }

    /// Does `action` the first `count` times that this recipient is named in a `RCPT`.
    pub fn recipient_first(self, address: impl Into<String>, count: usize, action: Action) -> Self {
        let address = address.into();
        self.when(move |step| step.recipient == Some(&address) && step.attempt <= count, action)
    }

    pub(super) fn action(&self, step: &Step<'_>) -> Action {
        let rule = self.rules.iter().find(|(condition, _)| condition(step));
        rule.map_or(Action::Accept, |(_, action)| action.clone())
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.rules.iter().map(|(_, action)| action)).finish()
    }
}

/// A script in a form that sessions can share.
#[derive(Clone)]
pub(super) struct Script(Arc<dyn Fn(&Step<'_>) -> Action + Send + Sync>);

impl Script {
    pub(super) fn new(script: impl Fn(&Step<'_>) -> Action + Send + Sync + 'static) -> Self {
        Self(Arc::new(script))
    }

    pub(super) fn action(&self, step: &Step<'_>) -> Action {
        (self.0)(step)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new(|_| Action::Accept)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Script")
    }
}
