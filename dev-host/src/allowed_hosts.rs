//! `allowed_outbound_hosts`: where a component may connect to.
//!
//! Of the forms that Spin has, this host takes the one that this project's manifests use, `redis://HOST[:PORT]` and
//! `rediss://HOST:PORT`, and refuses the others at the start: `*`, networks, ranges of ports, `self`, other schemes.

use thiserror::Error;
use url::Url;

/// The hosts that a component may connect to. Empty allows nothing.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts {
    entries: Vec<Entry>,
}

/// An entry that is not of the form above. Identified by its number, because an expanded template may contain a secret.
#[derive(Debug, Error, PartialEq)]
#[error("entry {number}: {reason}")]
pub(crate) struct AllowedHostError {
    /// Its position in the list, from 1.
    number: usize,
    reason: &'static str,
}

#[derive(Debug, PartialEq)]
struct Entry {
    scheme: String,
    host: String,
    port: u16,
}

impl AllowedHosts {
    /// Parses the entries of a manifest, their templates already expanded.
    pub(crate) fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, AllowedHostError> {
        let parse = |(entry, number): (&S, usize)| {
            parse_entry(entry.as_ref().trim()).map_err(|reason| AllowedHostError { number, reason })
        };
        Ok(Self { entries: entries.iter().zip(1..).map(parse).collect::<Result<_, _>>()? })
    }

    /// Whether a connection to `url` is allowed.
    pub(crate) fn allows(&self, url: &Url) -> bool {
        let port = url.port().or_else(|| well_known_port(url.scheme()));
        self.entries.iter().any(|entry| {
            entry.scheme == url.scheme() && Some(entry.host.as_str()) == url.host_str() && Some(entry.port) == port
        })
    }
}

fn parse_entry(entry: &str) -> Result<Entry, &'static str> {
    let (scheme, rest) = entry.split_once("://").ok_or("expected redis://HOST:PORT or rediss://HOST:PORT")?;
    if !["redis", "rediss"].contains(&scheme) {
        return Err("dev-host connects to redis:// and rediss:// only");
    }
    // A slash at the end is tolerated, a path is not: it would promise a restriction that does not exist.
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // The colons inside an IPv6 address's brackets are not the one before the port.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| "the port must be a number: dev-host supports no ranges and no *")?,
        None => well_known_port(scheme).ok_or("it needs a port: the scheme has no well-known one")?,
    };
    match host {
        "" => Err("there is no host"),
        "self" => Err("dev-host has no outgoing HTTP, so it has no `self`"),
        host if host.contains('/') => Err("it has a path or is a network: dev-host supports only exact hosts"),
        host if host.contains('@') => Err("it has a user name or password"),
        host if host.contains('*') => Err("it has a *: dev-host supports only exact hosts"),
        host => Ok(Entry { scheme: scheme.to_owned(), host: host.to_owned(), port }),
    }
}

fn well_known_port(scheme: &str) -> Option<u16> {
    (scheme == "redis").then_some(6379)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, url: &str) -> bool {
        AllowedHosts::parse(&[entry]).unwrap().allows(&Url::parse(url).unwrap())
    }

    #[test]
    fn no_entries_allow_nothing() {
        assert!(!AllowedHosts::default().allows(&Url::parse("redis://localhost:6379").unwrap()));
    }

    #[test]
    fn scheme_host_and_port_must_all_agree() {
        let entry = "redis://localhost:6379";
        assert!(allows(entry, "redis://localhost:6379"));
        assert!(allows(entry, "redis://user:password@localhost:6379/2"));
        for other in ["redis://localhost:6380", "redis://127.0.0.1:6379", "rediss://localhost:6379"] {
            assert!(!allows(entry, other), "{other}");
        }
        for other in ["http://localhost:6379", "redis:///run/redis.sock", "mailto:someone@example.com"] {
            assert!(!allows(entry, other), "{other}");
        }
    }

    #[test]
    fn the_host_is_not_taken_from_the_user_name_or_the_fragment() {
        let entry = "redis://localhost:6379";
        assert!(!allows(entry, "redis://localhost:6379@evil.example:6379"));
        assert!(!allows(entry, "redis://evil.example:6379#@localhost:6379"));
        assert!(!allows(entry, "redis://evil.example:6379/@localhost:6379"));
    }

    #[test]
    fn a_missing_port_means_the_well_known_one_on_both_sides() {
        assert!(allows("redis://localhost", "redis://localhost:6379"));
        assert!(allows("redis://localhost:6379", "redis://localhost"));
        assert!(!allows("redis://localhost", "redis://localhost:6380"));
        assert!(allows("rediss://localhost:6379/", "rediss://localhost:6379/0"));
    }

    #[test]
    fn ipv6_hosts_are_written_in_brackets() {
        assert!(allows("redis://[::1]:6380", "redis://[::1]:6380"));
        assert!(allows("redis://[::1]", "redis://[::1]"));
        assert!(!allows("redis://[::1]", "redis://[::2]"));
    }

    #[test]
    fn an_error_does_not_repeat_the_entry() {
        let error = AllowedHosts::parse(&["redis://localhost", "redis://:secret@localhost:1"]).unwrap_err();
        assert_eq!(error.to_string(), "entry 2: it has a user name or password");
    }

    #[test]
    fn entries_of_other_forms_are_refused() {
        for entry in [
            "",
            "*",
            "localhost:6379",
            "redis://",
            "redis://localhost/path",
            "redis://localhost:6379/path",
            "redis://localhost:x",
            "redis://localhost:70000",
            "redis://:password@localhost:6379",
            "rediss://localhost",
            "://localhost:1",
            // What Spin takes and dev-host does not.
            "*://localhost:6379",
            "redis://*:6379",
            "redis://*.example.com",
            "redis://localhost:*",
            "redis://localhost:6379..6390",
            "redis://10.0.0.0/8:6379",
            "redis://self",
            "http://localhost:80",
        ] {
            assert!(AllowedHosts::parse(&[entry]).is_err(), "{entry}");
        }
    }
}
