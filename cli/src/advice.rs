//! What to do about an error.

use email_queue::{Redirect, Refusal, call::CallError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::redis_client::Unanswered;

/// An error with the way out, where there is one.
pub(crate) fn explained(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Unanswered>() {
        Some(unanswered) => of_redis(unanswered),
        None => format!("{error:#}"),
    }
}

fn of_redis(unanswered: &Unanswered) -> String {
    let Unanswered { error, server, .. } = unanswered;
    let CallError::Redis(cause) = error else { return format!("{unanswered} (Redis: {server})") };
    let what = if cause.kind() == ErrorKind::Io {
        format!("Redis at {server} cannot be reached: {cause}")
    } else {
        format!("Redis at {server} refuses: {unanswered}")
    };
    match advice(cause) {
        Some(advice) => format!("{what}\n  {advice}"),
        None => what,
    }
}

/// What to do.
pub(crate) fn advice(error: &RedisError) -> Option<&'static str> {
    let text = error.to_string();
    if let Some(refusal) = Refusal::of(&text) {
        return Some(match refusal {
            Refusal::Full => "Redis is at its maxmemory: raise that, or discard emails with `emailq discard`",
            Refusal::ReadOnly => {
                "this is a replica: name the master, or the sentinels that know it (redis+sentinel://)"
            }
            Refusal::OtherNode => "this is a node of a cluster: put the queue's name in braces, --queue '{emails}'",
            Refusal::WrongType => {
                "another program uses a key that begins with the queue's name: `emailq doctor` names it. Rename or delete it, or give the \
                 queue another name (--queue)"
            }
            Refusal::OtherVersion => "use an emailq of the same version as the workers",
        });
    }
    if Redirect::of(&text) == Some(Redirect::Later) {
        return Some("the queue's slot of the cluster moves, or no node serves it: try again");
    }
    if text.contains("TLS") || text.contains("certificate") {
        return None;
    }
    match error.kind() {
        ErrorKind::Io => Some("is it running there? --redis-url or EMAIL_QUEUE_REDIS_URL says where it is"),
        ErrorKind::AuthenticationFailed => Some(LOGIN),
        ErrorKind::Server(ServerErrorKind::NoPerm) => Some(RIGHTS),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => Some("it is starting: try again"),
        // Of a script.
        _ if text.contains(NO_RIGHT) => Some(RIGHTS),
        _ if ["NOAUTH", "WRONGPASS", "invalid username-password", "unauthenticated"]
            .iter()
            .any(|word| text.contains(word)) =>
        {
            Some(LOGIN)
        }
        _ => None,
    }
}

/// Whether an error says that the user of Redis lacks a right.
pub(crate) fn is_of_rights(text: &str) -> bool {
    ["NOPERM", "permission", NO_RIGHT].iter().any(|words| text.contains(words))
}

/// What Redis 7 says of a command in a script for which the user lacks the right.
const NO_RIGHT: &str = "can't run this command";

const RIGHTS: &str =
    "its user may not do this: deploy/redis/users.acl has a user for emailq, and `ACL LOAD` reads the file again";

const LOGIN: &str =
    "name a user and a password in the URL: redis://USER:PASSWORD@HOST; EMAIL_QUEUE_REDIS_URL keeps them from others";
