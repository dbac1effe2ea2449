//! What `cargo xtask up` prints in the end: lines to paste.

use std::fmt;
use std::net::SocketAddr;

use crate::defaults::{DEFAULT_TRANSPORT, QUEUE};
use crate::install::redis::find_client;
use crate::redis_service::DEFAULT_PORT;
use crate::redis_url::RedisUrl;

/// What a user needs to try the running queue.
pub(crate) struct TryIt<'a> {
    pub(crate) api: SocketAddr,
    pub(crate) api_key: Option<&'a str>,
    pub(crate) redis: &'a RedisUrl,
    pub(crate) transport: &'a str,
    pub(crate) outbox: String,
}

impl fmt::Display for TryIt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorization = match self.api_key.and_then(first_key) {
            Some(key) => format!(" -H {}", shell_quoted(&format!("Authorization: Bearer {key}"))),
            None => String::new(),
        };
        let emails = format!("http://{}/emails", self.api);
        writeln!(f, "\nThe queue is up. Send an email, then ask what became of it:\n")?;
        writeln!(
            f,
            r#"  curl -i {emails}{authorization} -H 'Content-Type: application/json' -d '{{"to":"you@example.com","message":"Hello"}}'"#
        )?;
        writeln!(f, "  curl{authorization} {emails}/ID    # the id from the answer\n")?;
        writeln!(f, "See all of them in a browser: http://{}/dashboard/\n", self.api)?;
        writeln!(f, "Or push one from any other program:\n")?;
        writeln!(
            f,
            r#"  {} LPUSH {QUEUE} '{{"to":"you@example.com","message":"Hello from Redis"}}'"#,
            self.redis_cli()
        )?;
        writeln!(f)?;
        if self.transport == DEFAULT_TRANSPORT {
            writeln!(f, "Delivered emails are the .eml files in {}.", self.outbox)?;
        }
        write!(f, "Ctrl-C stops everything.")
    }
}

impl TryIt<'_> {
    fn redis_cli(&self) -> String {
        let client = find_client().unwrap_or("redis-cli");
        if self.redis.is_secret() {
            return format!(r#"{client} -u "$EMAIL_QUEUE_REDIS_URL""#);
        }
        match (self.redis.with_secrets(), self.redis.port()) {
            (url, DEFAULT_PORT) if url == RedisUrl::local(DEFAULT_PORT).with_secrets() => client.to_owned(),
            (url, port) if url == RedisUrl::local(port).with_secrets() => {
                format!("{client} -p {port}")
            }
            (url, _) => format!("{client} -u {}", shell_quoted(url)),
        }
    }
}

/// The API takes several keys, separated by commas, each with what it may do.
fn first_key(keys: &str) -> Option<&str> {
    let key = keys.split(',').next()?;
    Some(key.rsplit_once(':').map_or(key, |(key, _)| key))
}

/// One word of a POSIX shell.
fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(api_key: Option<&str>, redis: &str, transport: &str) -> String {
        let redis = RedisUrl::parse(redis).unwrap();
        let api = "127.0.0.1:3000".parse().unwrap();
        TryIt { api, api_key, redis: &redis, transport, outbox: ".data/outbox".to_owned() }.to_string()
    }

    #[test]
    fn the_curl_line_carries_the_key_only_where_there_is_one() {
        let open = shown(None, "redis://127.0.0.1:6379", DEFAULT_TRANSPORT);
        assert!(open.contains("curl -i http://127.0.0.1:3000/emails -H 'Content-Type"), "{open}");
        assert!(open.contains("http://127.0.0.1:3000/dashboard/\n"), "{open}");
        let closed = shown(Some("it's:full,other"), "redis://127.0.0.1:6379", DEFAULT_TRANSPORT);
        assert!(closed.contains(r"-H 'Authorization: Bearer it'\''s' -H"), "{closed}");
    }

    #[test]
    fn redis_cli_is_pointed_at_the_redis_in_use_and_never_shows_a_password() {
        assert!(shown(None, "redis://127.0.0.1:6379", "log:").contains("-cli LPUSH"));
        assert!(shown(None, "redis://127.0.0.1:6380", "log:").contains("-cli -p 6380 LPUSH"));
        assert!(shown(None, "redis://cache:6379/2", "log:").contains("-cli -u 'redis://cache:6379/2' LPUSH"));
        let secret = shown(None, "redis://:secret@cache", "log:");
        assert!(secret.contains(r#"-u "$EMAIL_QUEUE_REDIS_URL" LPUSH"#) && !secret.contains("secret"), "{secret}");
    }

    #[test]
    fn the_outbox_is_named_only_when_emails_go_there() {
        assert!(shown(None, "redis://h", DEFAULT_TRANSPORT).contains(".data/outbox"));
        assert!(!shown(None, "redis://h", "smtp://localhost").contains("outbox"));
    }
}
