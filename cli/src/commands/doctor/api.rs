//! Whether the API can accept emails.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider, pki_types::ServerName},
};

use super::finding::Finding;

const CHECK: &str = "api";
const TIMEOUT: Duration = Duration::from_secs(10);

/// More of an answer is not read.
const MAX_ANSWER: u64 = 16 * 1024;

/// Where the API is.
#[derive(Debug, PartialEq, Eq)]
struct Address<'a> {
    is_tls: bool,
    /// As the header field `Host` has it.
    host: &'a str,
    /// Without the brackets of an IPv6 address.
    name: &'a str,
    port: u16,
}

pub(super) async fn check(url: &str) -> Finding {
    let Some(address) = parse(url) else {
        let way_out = "write http://HOST:PORT, or https://HOST of a proxy in front of it";
        return Finding::fault(CHECK, "the address of --api-url cannot be asked", way_out);
    };
    let answer = match timeout(TIMEOUT, ready(&address)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return unreachable(&error),
        Err(_) => return unreachable(&io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let way_out = match status.split(' ').nth(1) {
        Some("200") => return Finding::good(CHECK, format!("{url} accepts emails")),
        Some(code) if code.starts_with('3') => {
            "it leads elsewhere: give --api-url what it leads to, such as https://HOST"
        }
        _ => "its answer and its log say why; it needs the same Redis",
    };
    Finding::fault(CHECK, format!("{url} is not ready: {status} {body}"), way_out)
}

fn unreachable(error: &io::Error) -> Finding {
    // What rustls finds is such an error.
    let way_out = if error.kind() == io::ErrorKind::InvalidData {
        "trust its authority by SSL_CERT_FILE, name the host that the certificate is for, or write http:// where there is no TLS"
    } else {
        "is it running, and does it listen there?"
    };
    Finding::fault(CHECK, format!("the API does not answer: {error}"), way_out)
}

fn parse(url: &str) -> Option<Address<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let (is_tls, default_port) = match scheme {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return None,
    };
    let host = rest.trim_end_matches('/');
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (host, default_port),
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    is_plain.then_some(Address { is_tls, host, name, port })
}

async fn ready(address: &Address<'_>) -> io::Result<String> {
    let stream = TcpStream::connect((address.name, address.port)).await?;
    if !address.is_tls {
        return ask(stream, address.host).await;
    }
    let name = ServerName::try_from(address.name.to_owned()).map_err(io::Error::other)?;
    ask(connector()?.connect(name, stream).await?, address.host).await
}

/// It trusts the authorities of the system, or those that `SSL_CERT_FILE` names.
fn connector() -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> io::Result<String> {
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer).await {
        // Some servers close TLS connections without saying so first.
        Err(error) if answer.is_empty() || error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        let parsed = |url| parse(url).map(|Address { is_tls, host, name, port }| (is_tls, host, name, port));
        assert_eq!(parsed("http://127.0.0.1:3000/"), Some((false, "127.0.0.1:3000", "127.0.0.1", 3000)));
        assert_eq!(parsed("https://mail.example"), Some((true, "mail.example", "mail.example", 443)));
        assert_eq!(parsed("http://[::1]"), Some((false, "[::1]", "::1", 80)));
        assert_eq!(parsed("https://[::1]:8443"), Some((true, "[::1]:8443", "::1", 8443)));
        for url in [
            "",
            "mail.example",
            "ftp://h",
            "http://",
            "http://:80",
            "http://h:99999",
            "http://h/p",
            "http://u@h",
            "http://h\r\n",
        ] {
            assert_eq!(parsed(url), None, "{url}");
        }
    }
}
