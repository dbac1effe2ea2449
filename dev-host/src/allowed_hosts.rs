//! `allowed_outbound_hosts`: where a component may connect to.
//!
//! An entry is `<scheme>://<host>[:<port>]` with the meaning that Spin gives it: `*` for any scheme, host or port,
//! `*.example.com` for the subdomains, `10.0.0.0/8` for the addresses of a network, `6379..6390` for ports from the
//! first up to and without the last. Without a port the scheme's well-known port is meant.

use std::net::IpAddr;

use ipnet::IpNet;
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
    /// Its place in the list, from 1.
    number: usize,
    reason: &'static str,
}

#[derive(Debug, PartialEq)]
struct Entry {
    /// `None` is any.
    scheme: Option<String>,
    host: Host,
    ports: Ports,
}

#[derive(Debug, PartialEq)]
enum Host {
    Any,
    /// With its leading dot.
    Subdomains(String),
    Network(IpNet),
    Exactly(String),
    /// `self`: the application itself, which only an outgoing HTTP request can mean.
    Application,
}

#[derive(Debug, PartialEq)]
enum Ports {
    Any,
    One(u16),
    /// From the first up to and without the last.
    Range(u16, u16),
}

impl AllowedHosts {
    /// Parses the entries of a manifest, their templates already expanded.
    pub(crate) fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, AllowedHostError> {
        let entries = entries
            .iter()
            .zip(1..)
            .map(|(entry, number)| {
                parse_entry(entry.as_ref().trim()).map_err(|reason| AllowedHostError { number, reason })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Whether a connection to `url` is allowed.
    pub(crate) fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return false;
        };
        let port = url.port_or_known_default().or_else(|| well_known_port(url.scheme()));
        self.entries.iter().any(|entry| {
            entry.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme())
                && entry.host.allows(host)
                && entry.ports.allows(port)
        })
    }
}

impl Host {
    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Subdomains(suffix) => host.ends_with(suffix),
            Self::Network(network) => {
                let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
                address.is_ok_and(|address| network.contains(&address))
            }
            Self::Exactly(allowed) => allowed == host,
            Self::Application => false,
        }
    }
}

impl Ports {
    fn allows(&self, port: Option<u16>) -> bool {
        match *self {
            Self::Any => true,
            Self::One(allowed) => port == Some(allowed),
            Self::Range(first, end) => port.is_some_and(|port| (first..end).contains(&port)),
        }
    }
}

fn parse_entry(entry: &str) -> Result<Entry, &'static str> {
    let (scheme, rest) = entry.split_once("://").ok_or("expected <scheme>://<host>[:<port>]")?;
    let (host, port) = split_port(rest);
    // A slash after the host or port is tolerated, a path is not: it would promise a restriction that does not exist.
    let port = match port.split_once('/') {
        None => port,
        Some((port, "")) => port,
        Some(_) => return Err("it has a path"),
    };
    Ok(Entry { scheme: parse_scheme(scheme)?, host: parse_host(host)?, ports: parse_ports(port, scheme)? })
}

/// Splits at the colon before the port; the colons inside an IPv6 address's brackets are not it.
fn split_port(rest: &str) -> (&str, &str) {
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (rest, ""),
    }
}

fn parse_scheme(scheme: &str) -> Result<Option<String>, &'static str> {
    if scheme == "*" {
        Ok(None)
    } else if !scheme.is_empty() && scheme.chars().all(char::is_alphabetic) {
        Ok(Some(scheme.to_owned()))
    } else {
        Err("the scheme must be letters, or *")
    }
}

fn parse_host(host: &str) -> Result<Host, &'static str> {
    if let Ok(network) = host.parse::<IpNet>() {
        return Ok(Host::Network(network));
    }
    let host = host.trim_end_matches('/');
    match host {
        "" => Err("there is no host"),
        "*" => Ok(Host::Any),
        "self" | "self.alt" => Ok(Host::Application),
        host if host.contains('/') => Err("it has a path"),
        host if host.contains('@') => Err("it has a user name or password"),
        host => match host.strip_prefix("*.") {
            Some(domain) if !domain.is_empty() && !domain.contains('*') => Ok(Host::Subdomains(format!(".{domain}"))),
            None if !host.contains('*') => Ok(Host::Exactly(host.to_owned())),
            _ => Err("* may stand for the whole host or its first labels only"),
        },
    }
}

fn parse_ports(port: &str, scheme: &str) -> Result<Ports, &'static str> {
    const NOT_A_PORT: &str = "the port must be a number, a range such as 6379..6390, or *";
    match port {
        "" => well_known_port(scheme).map(Ports::One).ok_or("it needs a port, the scheme has no well-known one"),
        "*" => Ok(Ports::Any),
        port => match port.split_once("..") {
            Some((first, end)) => {
                Ok(Ports::Range(first.parse().map_err(|_| NOT_A_PORT)?, end.parse().map_err(|_| NOT_A_PORT)?))
            }
            None => port.parse().map(Ports::One).map_err(|_| NOT_A_PORT),
        },
    }
}

fn well_known_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" => 80,
        "https" => 443,
        "mqtt" => 1883,
        "mysql" => 3306,
        "postgres" => 5432,
        "redis" => 6379,
        _ => return None,
    })
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
        assert!(!allows(entry, "redis://localhost:6380"));
        assert!(!allows(entry, "redis://127.0.0.1:6379"));
        assert!(!allows(entry, "rediss://localhost:6379"));
        assert!(!allows(entry, "http://localhost:6379"));
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
        assert!(allows("http://localhost", "http://localhost:80"));
        assert!(allows("rediss://localhost:6379/", "rediss://localhost:6379/0"));
    }

    #[test]
    fn wildcards_match_schemes_hosts_and_ports() {
        assert!(allows("redis://*:*", "redis://anywhere:1"));
        assert!(allows("*://*:*", "rediss://anywhere:1"));
        assert!(allows("redis://localhost:*", "redis://localhost:50123"));
        assert!(!allows("redis://localhost:*", "redis://elsewhere:50123"));
        assert!(allows("redis://*:6379", "redis://elsewhere"));
        assert!(!allows("redis://*:6379", "redis://elsewhere:1"));
    }

    #[test]
    fn subdomains_do_not_include_the_domain_itself() {
        assert!(allows("redis://*.example.com", "redis://a.example.com"));
        assert!(allows("redis://*.example.com", "redis://b.a.example.com"));
        assert!(!allows("redis://*.example.com", "redis://example.com"));
        assert!(!allows("redis://*.example.com", "redis://badexample.com"));
    }

    #[test]
    fn networks_match_addresses_only() {
        assert!(allows("redis://10.0.0.0/8:6379", "redis://10.1.2.3"));
        assert!(!allows("redis://10.0.0.0/8:6379", "redis://11.1.2.3"));
        assert!(!allows("redis://10.0.0.0/8:6379", "redis://ten.example"));
    }

    #[test]
    fn ipv6_hosts_are_written_in_brackets() {
        assert!(allows("redis://[::1]:6380", "redis://[::1]:6380"));
        assert!(allows("redis://[::1]", "redis://[::1]"));
        assert!(!allows("redis://[::1]", "redis://[::2]"));
    }

    #[test]
    fn a_port_range_excludes_its_end() {
        assert!(allows("redis://localhost:6379..6381", "redis://localhost:6380"));
        assert!(!allows("redis://localhost:6379..6381", "redis://localhost:6381"));
    }

    #[test]
    fn self_is_no_redis_server() {
        assert!(!allows("redis://self", "redis://self"));
    }

    #[test]
    fn a_url_without_a_host_is_never_allowed() {
        assert!(!allows("*://*:*", "unix:///run/redis.sock"));
        assert!(!allows("*://*:*", "mailto:someone@example.com"));
    }

    #[test]
    fn an_error_does_not_repeat_the_entry() {
        let error = AllowedHosts::parse(&["redis://localhost", "redis://:secret@localhost/0"]).unwrap_err();
        assert_eq!(error.to_string(), "entry 2: it has a path");
    }

    #[test]
    fn malformed_entries_are_refused() {
        for entry in [
            "",
            "*",
            "localhost",
            "localhost:6379",
            "redis://",
            "redis://localhost/path",
            "redis://localhost:6379/path",
            "redis://local*host",
            "redis://*.*.com",
            "redis://*.",
            "redis://localhost:x",
            "redis://localhost:70000",
            "redis://localhost:1..x",
            "redis://:password@localhost:6379",
            "rediss://localhost",
            "re-dis://localhost",
            "://localhost:1",
        ] {
            assert!(AllowedHosts::parse(&[entry]).is_err(), "{entry}");
        }
    }
}
