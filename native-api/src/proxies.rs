//! Proxies that may say who the client is.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use api::client::Client;
use http::HeaderMap;
use ipnet::IpNet;

/// [X-Forwarded-For](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For): each proxy appends
/// the address of who has connected to it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The addresses of proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// The client of a request on a connection from `peer`. If that is a trusted proxy, the client is the last address in
    /// `X-Forwarded-For` that is not one too: what a client itself writes stands before it. No client of a proxy is local.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Client::at(peer);
        }
        let lists = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lists.flat_map(|list| list.to_str().unwrap_or_default().rsplit(',')).map(address);
        let mut client = peer;
        for entry in entries {
            // What stands before something unreadable is not believed.
            let Some(address) = entry else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        Client::at(client).not_local()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An entry, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

impl FromStr for Proxies {
    type Err = &'static str;

    /// Addresses and networks, separated by commas. Nothing for no proxy.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let network = |entry: &str| entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        let networks: Result<_, _> = entries.map(network).collect();
        networks.map(Self).map_err(|_| "not like 127.0.0.1 or 10.0.0.0/8,fd00::/8")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&'static str], expected: &str) {
        let proxies: Proxies = "127.0.0.1, 10.0.0.0/8,fd00::/8".parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let client = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(client, Client::at(expected.parse().unwrap()).not_local(), "{peer} {forwarded:?}");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        check("127.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("::ffff:10.1.2.3", &["192.0.2.7, 127.0.0.1"], "192.0.2.7");
        check("fd00::1", &["203.0.113.1", "192.0.2.7:4711 ,10.0.0.9"], "192.0.2.7");
        check("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2");
    }

    #[test]
    fn what_a_client_writes_itself_is_not_believed() {
        check("127.0.0.1", &["203.0.113.1, 192.0.2.7"], "192.0.2.7");
        check("127.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2");
        check("127.0.0.1", &["203.0.113.1, "], "127.0.0.1");
        check("127.0.0.1", &[], "127.0.0.1");
        check("198.51.100.1", &["203.0.113.1"], "198.51.100.1");
    }

    #[test]
    fn without_a_proxy_the_address_of_the_connection_counts() {
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static("192.0.2.7"))]);
        let local = "127.0.0.1".parse().unwrap();
        for none in ["", " , ", "10.0.0.0/8"] {
            assert_eq!(none.parse::<Proxies>().unwrap().client(local, &headers), Client::at(local), "{none}");
        }
        for unusable in ["proxy.example", "10.0.0.0/33", "127.0.0.1 10.0.0.1", "*"] {
            assert!(unusable.parse::<Proxies>().is_err(), "{unusable}");
        }
    }
}
