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
                "is another program using keys that begin with the queue's name? --queue names another"
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
        ErrorKind::Server(ServerErrorKind::NoPerm) => Some(
            "its user may not do this: deploy/redis/users.acl has a user for emailq, and `ACL LOAD` reads the file again",
        ),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => Some("it is starting: try again"),
        _ if ["NOAUTH", "WRONGPASS", "invalid username-password", "unauthenticated"]
            .iter()
            .any(|word| text.contains(word)) =>
        {
            Some(LOGIN)
        }
        _ => None,
    }
}

const LOGIN: &str =
    "name a user and a password in the URL: redis://USER:PASSWORD@HOST; EMAIL_QUEUE_REDIS_URL keeps them from others";
