//! Parses the URL of an external Redis, and checks whether a Redis replies.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

/// How long a Redis on the network may take to accept, and then to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer to `PING` that is read.
const MAX_ANSWER: u64 = 1024;

/// A `redis://` or `rediss://` URL. It may hold a password, so it has no `Debug` and no `Display`.
pub(crate) struct RedisUrl {
    url: String,
    tls: bool,
    has_credentials: bool,
    host: String,
    port: u16,
}

impl RedisUrl {
    /// Reads `redis[s]://[[user]:password@]host[:port][/database]`.
    ///
    /// # Errors
    /// It is something else. The message does not repeat it, as it may hold a password.
    pub(crate) fn parse(url: &str) -> anyhow::Result<RedisUrl> {
        let malformed = || "the Redis URL must look like redis://HOST:PORT (or rediss:// for TLS)".to_owned();
        let (scheme, rest) = url.split_once("://").with_context(malformed)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => bail!(malformed()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let (host, port) = match address.rsplit_once(':') {
            // The colon may be one inside an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().with_context(malformed)?),
            _ => (address, 6379),
        };
        if host.is_empty() {
            bail!(malformed());
        }
        Ok(RedisUrl {
            url: url.to_owned(),
            tls,
            has_credentials: credentials.is_some_and(|credentials| !credentials.is_empty()),
            host: host.to_owned(),
            port,
        })
    }

    /// The URL of a server on the loopback interface.
    pub(crate) fn local(port: u16) -> RedisUrl {
        let host = "127.0.0.1".to_owned();
        RedisUrl { url: format!("redis://{host}:{port}"), tls: false, has_credentials: false, host, port }
    }

    /// The URL as it was given, with its password: for the environment of a child only.
    pub(crate) fn with_secrets(&self) -> &str {
        &self.url
    }

    /// Host and port, as in `allowed_outbound_hosts` of Spin.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the URL must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.has_credentials
    }

    /// Whether a Redis answers there. Where it requires TLS or a password, only whether something accepts
    /// a connection: the API's own check follows soon enough.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn ping(&self) -> Result<(), String> {
        let answer = self.try_ping().map_err(|error| format!("{}: {error}", self.address()))?;
        let Some(answer) = answer else { return Ok(()) };
        if answer.starts_with("+PONG") {
            Ok(())
        } else if answer.starts_with("-NOAUTH") {
            Err(format!("{0} requires a password: redis://:PASSWORD@{0}", self.address()))
        } else if answer.starts_with('-') {
            Err(format!("{} answers {}", self.address(), answer.trim()))
        } else {
            Err(format!("{} is no Redis server", self.address()))
        }
    }

    /// The answer to `PING`, or `None` where only the connection could be tried.
    fn try_ping(&self) -> io::Result<Option<String>> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut last_error = io::Error::other("the name has no address");
        for address in (host, self.port).to_socket_addrs()? {
            let mut stream = match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => stream,
                Err(error) => {
                    last_error = error;
                    continue;
                }
            };
            if self.tls || self.has_credentials {
                return Ok(None);
            }
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = Vec::new();
            BufReader::new(stream.take(MAX_ANSWER)).read_until(b'\n', &mut answer)?;
            return Ok(Some(String::from_utf8_lossy(&answer).into_owned()));
        }
        Err(last_error)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn host_and_port_are_found_wherever_they_stand() {
        for (url, address, secret) in [
            ("redis://localhost", "localhost:6379", false),
            ("redis://10.0.0.1:7000/2", "10.0.0.1:7000", false),
            ("rediss://me:p@ss:word@cache.example.com:6380", "cache.example.com:6380", true),
            ("redis://:secret@cache?timeout=1s", "cache:6379", true),
            ("redis://[::1]", "[::1]:6379", false),
            ("redis://[::1]:6380", "[::1]:6380", false),
        ] {
            let parsed = RedisUrl::parse(url).unwrap();
            assert_eq!((parsed.address().as_str(), parsed.is_secret()), (address, secret), "{url}");
        }
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_repeating_it() {
        for url in ["", "localhost:6379", "http://h", "redis://", "redis://:pw@", "redis://h:port:secret"] {
            let error = RedisUrl::parse(url).err().unwrap().to_string();
            assert!(!error.contains("secret") && error.contains("redis://HOST:PORT"), "{url}: {error}");
        }
    }

    /// A server that answers one command.
    fn serve(answer: &'static str) -> RedisUrl {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 6];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"PING\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        RedisUrl::local(port)
    }

    #[test]
    fn a_server_that_answers_pong_is_there() {
        assert_eq!(serve("+PONG\r\n").ping(), Ok(()));
    }

    #[test]
    fn a_server_that_wants_a_password_says_how_to_give_it() {
        let reason = serve("-NOAUTH Authentication required.\r\n").ping().unwrap_err();
        assert!(reason.contains("redis://:PASSWORD@127.0.0.1:"), "{reason}");
    }

    #[test]
    fn a_server_that_is_still_loading_is_not_there_yet() {
        let reason = serve("-LOADING Redis is loading the dataset in memory\r\n").ping().unwrap_err();
        assert!(reason.contains("LOADING"), "{reason}");
    }

    #[test]
    fn another_kind_of_server_is_told_from_redis() {
        assert!(serve("HTTP/1.1 400 Bad Request\r\n").ping().unwrap_err().contains("no Redis server"));
    }

    #[test]
    fn nobody_there_is_an_error() {
        // TCPMUX, which nothing on a machine of today serves.
        assert!(RedisUrl::local(1).ping().is_err());
    }
}
