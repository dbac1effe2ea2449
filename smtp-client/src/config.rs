//! Which server to connect to, and how: a URL.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use url::Url;

/// Settings that a URL may leave out. The URL takes precedence.
#[derive(Clone)]
pub struct Options {
    /// The user, if the URL names none.
    pub username: Option<String>,
    /// The user's password, if the URL holds none.
    pub password: Option<String>,
    /// A file of certificates in PEM form to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// See [`Config::timeout`].
    pub timeout: Duration,
}

/// No user, and 60 seconds for a reply.
impl Default for Options {
    fn default() -> Self {
        Self { username: None, password: None, ca_file: None, timeout: Duration::from_secs(60) }
    }
}

/// The URL cannot be used. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(pub String);

/// Which server to connect to, and how. Printed without user and password.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name or address of the server, without brackets around an IPv6 address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and when to encrypt.
    pub tls: TlsMode,
    /// Whom to authenticate as ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub credentials: Option<Credentials>,
    /// A file of certificates in PEM form to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The name of the client in `EHLO` (RFC 5321 4.1.3).
    pub hello: String,
    /// How long connecting, encrypting, sending 64 KiB, and each reply may take; ten times as long for the reply that
    /// follows a message (RFC 5321 4.5.3.2).
    pub timeout: Duration,
}

/// Whether and when to encrypt. With TLS, the certificate of the server is always verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// From the first byte ([RFC 8314](https://www.rfc-editor.org/rfc/rfc8314)).
    Implicit,
    /// By STARTTLS ([RFC 3207](https://www.rfc-editor.org/rfc/rfc3207)), or not at all.
    Required,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// A user and their password. `Debug` prints neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl Config {
    /// Reads `smtp://[user:password@]host[:port][?tls=…&ca=…&hello=…]` or `smtps://…`.
    ///
    /// - `smtps` is TLS from the first byte, on port 465 if none is given. With `smtp`, `tls` is `required`, `opportunistic`
    ///   or `none`: `required` by default where there is a user and the host is another machine, else `opportunistic`; the
    ///   port is 587 with a user and 25 without ([RFC 6409](https://www.rfc-editor.org/rfc/rfc6409)).
    /// - `ca` is [`ca_file`](Self::ca_file), `hello` is [`hello`](Self::hello): if not given, the name of this machine.
    /// - User and password are percent-encoded.
    ///
    /// # Errors
    /// The URL cannot be read, or says what cannot be done safely: a password without TLS to another machine. The text has
    /// no part of the URL that may be secret.
    pub fn parse(url: &str, options: Options) -> Result<Self, InvalidUrl> {
        let invalid = |reason: &str| InvalidUrl(format!("the SMTP URL {reason}"));
        let scheme = "is not smtp://host or smtps://host";
        let url = Url::parse(url).map_err(|_| invalid(scheme))?;
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(invalid(scheme)),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| invalid("names no host"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(invalid("has more than a host and a query"));
        }
        let credentials = credentials(&url, &options)?;
        let mut tls = match (implicit, &credentials) {
            (true, _) => TlsMode::Implicit,
            (false, Some(_)) if !is_loopback(&host) => TlsMode::Required,
            (false, _) => TlsMode::Opportunistic,
        };
        let mut ca_file = options.ca_file;
        let mut hello = hello_name();
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", _) if implicit => return Err(invalid("needs no `tls`: smtps:// is TLS from the first byte")),
                ("tls", "required") => tls = TlsMode::Required,
                ("tls", "opportunistic") => tls = TlsMode::Opportunistic,
                ("tls", "none") => tls = TlsMode::None,
                ("tls", _) => return Err(invalid("has a `tls` that is not required, opportunistic or none")),
                ("ca", file) => ca_file = Some(file.into()),
                ("hello", name) if is_hello_name(name) => hello = name.to_owned(),
                ("hello", _) => return Err(invalid("has a `hello` that is no host name")),
                _ => return Err(invalid("has a query other than tls, ca and hello")),
            }
        }
        // RFC 8314 and RFC 6409: users submit on 465 and 587. A relay without users listens on 25.
        let port = url.port().unwrap_or(match (implicit, &credentials) {
            (true, _) => 465,
            (false, Some(_)) => 587,
            (false, None) => 25,
        });
        if !implicit && port == 465 {
            // RFC 8314 7.3: a client that waits there for a greeting waits for ever.
            return Err(invalid(
                "has port 465, where TLS is spoken from the first byte: write smtps:// instead of smtp://",
            ));
        }
        if tls == TlsMode::None && credentials.is_some() && !is_loopback(&host) {
            return Err(invalid("says tls=none, but a password is not sent unencrypted to another machine"));
        }
        Ok(Self { host, port, tls, credentials, ca_file, hello, timeout: options.timeout })
    }

    /// Whether the server is on this machine, where the connection cannot be read by others.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls == TlsMode::Implicit { "smtps" } else { "smtp" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

fn credentials(url: &Url, options: &Options) -> Result<Option<Credentials>, InvalidUrl> {
    let decode = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| InvalidUrl("the SMTP user or password is not UTF-8".to_owned()))
    };
    let username = match url.username() {
        "" => options.username.clone(),
        username => Some(decode(username)?),
    };
    let password = match url.password() {
        None => options.password.clone(),
        Some(password) => Some(decode(password)?),
    };
    match (username, password) {
        (Some(username), Some(password)) if !username.contains('\0') && !password.contains('\0') => {
            Ok(Some(Credentials { username, password }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(InvalidUrl("there is an SMTP user but no password".to_owned())),
        (None, Some(_)) => Err(InvalidUrl("there is an SMTP password but no user".to_owned())),
        // RFC 4616 separates the two by it.
        (Some(_), Some(_)) => Err(InvalidUrl("the SMTP user and password cannot contain NUL".to_owned())),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of this machine, or an address literal where it has none that can be sent (RFC 5321 4.1.3).
fn hello_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if is_hello_name(&name) { name } else { "[127.0.0.1]".to_owned() }
}

fn is_hello_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Config, InvalidUrl> {
        Config::parse(url, Options::default())
    }

    #[track_caller]
    fn check(url: &str, port: u16, tls: TlsMode) {
        let config = parse(url).unwrap();
        assert_eq!((config.port, config.tls), (port, tls), "{url}");
    }

    #[test]
    fn port_and_encryption_follow_from_scheme_user_and_host() {
        check("smtp://relay.example", 25, TlsMode::Opportunistic);
        check("smtp://u:p@relay.example", 587, TlsMode::Required);
        check("smtp://u:p@localhost:2525", 2525, TlsMode::Opportunistic);
        check("smtps://u:p@relay.example", 465, TlsMode::Implicit);
        check("smtp://relay.example?tls=none", 25, TlsMode::None);
        check("smtp://u:p@127.0.0.1?tls=none", 587, TlsMode::None);
        check("smtp://[::1]:2525/?tls=required", 2525, TlsMode::Required);
    }

    #[test]
    fn user_and_password_are_decoded_and_never_shown() {
        let config = parse("smtp://ada%40x.example:p%3A%2F%40ss@relay.example").unwrap();
        let credentials = Credentials { username: "ada@x.example".to_owned(), password: "p:/@ss".to_owned() };
        assert_eq!(config.credentials, Some(credentials));
        for shown in [config.to_string(), format!("{config:?}")] {
            assert!(!shown.contains("ada") && !shown.contains("ss"), "{shown}");
        }
    }

    #[test]
    fn the_environment_fills_in_what_the_url_leaves_out() {
        let options = Options {
            username: Some("env".to_owned()),
            password: Some("secret".to_owned()),
            ca_file: Some("env.pem".into()),
            ..Options::default()
        };
        let config = Config::parse("smtp://ada@relay.example?ca=url.pem&hello=mail.example", options).unwrap();
        let credentials = config.credentials.unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("ada", "secret"));
        assert_eq!(config.ca_file, Some("url.pem".into()));
        assert_eq!(config.hello, "mail.example");
    }

    #[test]
    fn plain_smtp_to_the_port_of_tls_is_refused_with_what_to_write() {
        let error = parse("smtp://relay.example:465").unwrap_err().to_string();
        assert!(error.contains("smtps://"), "{error}");
        check("smtps://relay.example:465", 465, TlsMode::Implicit);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_being_shown() {
        for url in [
            "smtp://",
            "smtp://:secret@relay.example",
            "smtp://secret@relay.example",
            "smtp://u:secret@relay.example?tls=perhaps",
            "smtps://u:secret@relay.example?tls=none",
            "smtp://u:secret@relay.example?verify=false",
            "smtp://u:secret@relay.example/path",
            "smtp://u:secret@relay.example?hello=two%20words",
            "smtp://u:secret@relay.example?hello=a%0D%0AMAIL",
            "smtp://u:secret%00@relay.example",
            "smtp://u:secret@relay.example:port",
            "smtp://u:secret@relay.example:465",
            "smtp://u:secret@relay.example?tls=none",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
