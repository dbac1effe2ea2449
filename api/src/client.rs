//! Who sent a request, as its host sees it.

use std::net::IpAddr;

/// The client of one request, as the host sees it and not as the client says it.
///
/// [`Client::default`] has no information from the host, and is not local.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    address: Option<IpAddr>,
    is_local: bool,
    url: Option<String>,
}

impl Client {
    /// A client at the other end of a connection from this address. It is local if the address is a loopback address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address: Some(address), is_local: address.is_loopback(), url: None }
    }

    /// The same client, but not local: for a host that cannot be sure of the address.
    #[must_use]
    pub fn not_local(self) -> Self {
        Self { is_local: false, ..self }
    }

    /// The same client, with the absolute URL that it asked for. Without one, the `Host` header says what it asked for.
    #[must_use]
    pub fn with_url(self, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..self }
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}
