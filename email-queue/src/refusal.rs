use std::fmt;

/// Errors of Redis that the operator must resolve, recognised by Redis' error text, or a client's quotation of it.
///
/// The text of an error inside a script depends on the version: Redis 7 returns it as if the command had been sent
/// alone, 6.2 as `ERR Error running script …: -CODE …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// At `maxmemory`, with the policy `noeviction`.
    Full,
    /// A replica, also a demoted primary.
    ReadOnly,
    /// A cluster node that does not hold the queue's slot.
    OtherNode,
    /// One of the queue's keys has another type.
    WrongType,
    /// This program does not support the version of the queue's keys.
    OtherVersion,
}

impl Refusal {
    /// The refusal in an error text; `None` for any other error.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        const WORDS: [(&str, Refusal); 9] = [
            ("command not allowed when used memory > 'maxmemory'", Refusal::Full),
            ("against a read only replica", Refusal::ReadOnly),
            ("READONLY", Refusal::ReadOnly),
            ("MOVED", Refusal::OtherNode),
            ("the server - Moved", Refusal::OtherNode),
            ("Moved: ", Refusal::OtherNode),
            ("QUEUEVERSION", Refusal::OtherVersion),
            ("WRONGTYPE", Refusal::WrongType),
            ("holding the wrong kind of value", Refusal::WrongType),
        ];
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, refusal)| *refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Full => "the queue's Redis is full",
            Refusal::ReadOnly => "the queue's Redis is a replica, which takes no writes",
            Refusal::OtherNode => "this node of a cluster does not hold the queue",
            Refusal::WrongType => "a key of the queue is in use for something else",
            Refusal::OtherVersion => "the queue is of another version than this program",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_in_the_words_of_each_version_and_client() {
        for (text, refusal) in [
            ("OOM command not allowed when used memory > 'maxmemory'. script: 0f, on @user_script:12.", Refusal::Full),
            (
                "ERR Error running script (call to f_0f): @user_script:1: -OOM command not allowed when used memory > \
                 'maxmemory'.",
                Refusal::Full,
            ),
            ("OOM: command not allowed when used memory > 'maxmemory'.", Refusal::Full),
            ("READONLY You can't write against a read only replica.", Refusal::ReadOnly),
            (
                "ERR Error running script (call to f_0f): @user_script:1: @user_script: 1: -READONLY You can't write \
                 against a read only replica.",
                Refusal::ReadOnly,
            ),
            (
                "An error was signalled by the server - ReadOnly: You can't write against a read only replica.",
                Refusal::ReadOnly,
            ),
            ("MOVED 3999 127.0.0.1:6381", Refusal::OtherNode),
            ("An error was signalled by the server - Moved: 3999 127.0.0.1:6381", Refusal::OtherNode),
            ("Moved: 3999 127.0.0.1:6381", Refusal::OtherNode),
            ("QUEUEVERSION this queue is of version 2, not 1", Refusal::OtherVersion),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Refusal::WrongType),
        ] {
            assert_eq!(Refusal::of(text), Some(refusal), "{text}");
        }
        for text in ["broken pipe", "LOADING Redis is loading the dataset in memory", "ERR unknown command"] {
            assert_eq!(Refusal::of(text), None, "{text}");
        }
    }
}
