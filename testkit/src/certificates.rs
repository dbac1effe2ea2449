//! A certificate of a server in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::authority::Authority;

/// The names that a server's certificate is for by default.
pub const LOOPBACK_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// A new authority and one server certificate that it signed. Only clients that were given its certificate trust it.
#[derive(Debug)]
pub struct Certificates {
    ca_pem: String,
    server_pem: String,
    server_der: CertificateDer<'static>,
    key: KeyPair,
    directory: TempDir,
}

impl Certificates {
    /// Makes an authority and a server certificate for `names`, host names or IP addresses, that is valid until `end`.
    ///
    /// # Panics
    /// When a name is neither, or the files cannot be written.
    pub fn generate(names: &[&str], end: Option<SystemTime>) -> Self {
        Self::try_generate(names, end).unwrap_or_else(|error| panic!("cannot make certificates for {names:?}: {error}"))
    }

    /// Makes a server certificate for `names` that signed itself. To trust it is to trust that very certificate.
    ///
    /// # Panics
    /// As [`generate`](Self::generate).
    pub fn self_signed(names: &[&str], is_authority: bool) -> Self {
        let made = Self::try_self_signed(names, is_authority);
        made.unwrap_or_else(|error| panic!("cannot make a certificate for {names:?}: {error}"))
    }

    /// The authority's certificate, as text in PEM form.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A file with the authority's certificate, for programs that take a path. It lives as long as `self`.
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// A file with the server's certificate in PEM form.
    pub(crate) fn server_file(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// A file with the server's private key in PEM form.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// What turns an accepted connection into a TLS one.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        // The provider is named because other crates in the same program may have enabled a second one.
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![self.server_der.clone()], key))
            .unwrap_or_else(|error| panic!("cannot set up TLS: {error}"));
        TlsAcceptor::from(Arc::new(config))
    }

    fn try_generate(names: &[&str], end: Option<SystemTime>) -> Result<Self, Box<dyn std::error::Error>> {
        let authority = Authority::try_new()?;
        let (certificate, key) = authority.sign_until(names, end)?;
        Self::written(authority.pem().to_owned(), &certificate, key)
    }

    fn try_self_signed(names: &[&str], is_authority: bool) -> Result<Self, Box<dyn std::error::Error>> {
        let mut server = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        server.distinguished_name.push(DnType::CommonName, "testkit server");
        if is_authority {
            server.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate()?;
        let certificate = server.self_signed(&key)?;
        Self::written(certificate.pem(), &certificate, key)
    }

    fn written(ca_pem: String, certificate: &Certificate, key: KeyPair) -> Result<Self, Box<dyn std::error::Error>> {
        let directory = TempDir::with_prefix("testkit-certificates-")?;
        let certificates =
            Self { ca_pem, server_pem: certificate.pem(), server_der: certificate.der().clone(), key, directory };
        std::fs::write(certificates.ca_file(), &certificates.ca_pem)?;
        std::fs::write(certificates.server_file(), &certificates.server_pem)?;
        std::fs::write(certificates.key_file(), certificates.key.serialize_pem())?;
        Ok(certificates)
    }

    fn file(&self, name: &str) -> PathBuf {
        let directory: &Path = self.directory.path();
        directory.join(name)
    }
}
