//! What Spin's headers say of the client.

use std::net::{IpAddr, SocketAddr};

use api::client::Client;
use http::{HeaderMap, HeaderName, HeaderValue};

const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");

/// The client of a request. Spin appends its headers to those that the client has sent under the same names, so that only the last
/// one is trusted. If another one is no loopback address either, the client is not local.
pub(crate) fn client(headers: &HeaderMap) -> Client {
    let addresses = || headers.get_all(CLIENT_ADDRESS).iter().map(address);
    let mut client = addresses().next_back().flatten().map_or_else(Client::default, Client::at);
    if !addresses().all(|address| address.is_some_and(|address| address.is_loopback())) {
        client = client.not_local();
    }
    match headers.get_all(FULL_URL).iter().next_back().and_then(|url| url.to_str().ok()) {
        Some(url) => client.with_url(url),
        None => client,
    }
}

fn address(value: &HeaderValue) -> Option<IpAddr> {
    let address: SocketAddr = value.to_str().ok()?.parse().ok()?;
    Some(address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client_of(list: &[(&'static str, &'static str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        client(&headers)
    }

    fn addresses(list: &[&'static str]) -> Client {
        client_of(&list.iter().map(|address| ("spin-client-addr", *address)).collect::<Vec<_>>())
    }

    #[test]
    fn the_client_is_the_last_one_that_a_header_names() {
        let local = Client::at(Ipv4Addr::LOCALHOST.into());
        assert_eq!(addresses(&["127.0.0.1:5000"]), local);
        assert_eq!(addresses(&["[::ffff:127.0.0.1]:5000"]), local);
        assert_eq!(addresses(&["[::1]:5000"]), Client::at("::1".parse().unwrap()));
        let other = Client::at("192.0.2.7".parse().unwrap());
        assert_eq!(addresses(&["192.0.2.7:5000"]), other);
        assert_eq!(addresses(&["127.0.0.1:5000", "192.0.2.7:5000"]), other);
        for unknown in [&["nonsense"][..], &["127.0.0.1:5000", "nonsense"], &[]] {
            assert_eq!(addresses(unknown), Client::default(), "{unknown:?}");
        }
    }

    #[test]
    fn a_client_that_claims_to_be_elsewhere_is_not_local() {
        let local = Client::at(Ipv4Addr::LOCALHOST.into());
        assert_eq!(addresses(&["[::1]:5000", "127.0.0.1:5000"]), local);
        for forged in ["192.0.2.7:5000", "nonsense"] {
            assert_eq!(addresses(&[forged, "127.0.0.1:5000"]), local.clone().not_local(), "{forged}");
        }
    }

    #[test]
    fn the_url_is_the_last_one_that_a_header_names() {
        let with_url = |url: &str| Client::default().with_url(url);
        let header = |url| ("spin-full-url", url);
        assert_eq!(client_of(&[header("http://a.example/x")]), with_url("http://a.example/x"));
        assert_eq!(
            client_of(&[header("http://b.example/"), header("http://a.example/")]),
            with_url("http://a.example/")
        );
    }
}
