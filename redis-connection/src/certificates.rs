//! What TLS needs: authorities to trust, and the certificate that identifies the client.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, ClientConfig, InconsistentKeys, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Files in PEM form. Without `authorities`, those of the system are trusted, which
/// [`SSL_CERT_FILE` and `SSL_CERT_DIR`](https://docs.rs/rustls-native-certs) may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificates of the authorities to trust, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// The certificate of this client, and those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// The private key of that certificate.
    pub key: Option<PathBuf>,
}

/// Why Redis cannot be connected to, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A file of certificates is given for a URL without TLS.
    #[error("{0} is for TLS, and the Redis URL is without: write rediss://")]
    WithoutTls(&'static str),
    /// One of certificate and key is missing.
    #[error("--redis-cert and --redis-key go together: {0} is missing")]
    Half(&'static str),
    /// A file cannot be read, or has not what it should.
    #[error("{flag}: {}: {reason}", file.display())]
    File {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is that of another certificate.
    #[error("the key of --redis-key does not belong to the certificate of --redis-cert")]
    Mismatch,
    /// There is nobody to trust.
    #[error("this system has no trusted certificates: name those to trust by --redis-ca")]
    NoAuthorities,
    /// The host cannot be in a certificate.
    #[error("the host of the Redis URL is no name that a certificate can have")]
    Host,
    /// rustls cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

const CA: &str = "--redis-ca";
const CERT: &str = "--redis-cert";
const KEY: &str = "--redis-key";

/// The content of the files.
#[derive(PartialEq, Eq)]
pub(crate) struct Certificates {
    authorities: Vec<CertificateDer<'static>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl CertificateFiles {
    /// The flag of a file that is given.
    pub(crate) fn any(&self) -> Option<&'static str> {
        let files = [(&self.authorities, CA), (&self.certificate, CERT), (&self.key, KEY)];
        files.into_iter().find_map(|(file, flag)| file.as_ref().map(|_| flag))
    }

    /// Reads the files. It blocks.
    pub(crate) fn read(&self) -> Result<Certificates, SetupError> {
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(&bytes(KEY, key)?)
                    .map_err(|_| file_error(KEY, key, "there is no private key in it that can be read"))?;
                Some((certificates(CERT, certificate)?, key))
            }
            (Some(_), None) => return Err(SetupError::Half(KEY)),
            (None, Some(_)) => return Err(SetupError::Half(CERT)),
            (None, None) => None,
        };
        let authorities = match &self.authorities {
            Some(file) => certificates(CA, file)?,
            // Those that cannot be read are not trusted. If one is needed, the handshake fails.
            None => rustls_native_certs::load_native_certs().certs,
        };
        Ok(Certificates { authorities, client })
    }
}

impl Certificates {
    /// How to open connections with them.
    pub(crate) fn config(&self, files: &CertificateFiles) -> Result<ClientConfig, SetupError> {
        let mut roots = RootCertStore::empty();
        match &files.authorities {
            Some(file) => {
                for authority in &self.authorities {
                    roots.add(authority.clone()).map_err(|error| file_error(CA, file, &error.to_string()))?;
                }
            }
            None => _ = roots.add_parsable_certificates(self.authorities.iter().cloned()),
        }
        if roots.is_empty() {
            return Err(SetupError::NoAuthorities);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::Tls(error.to_string()))?
            .with_root_certificates(roots);
        let Some((certificates, key)) = &self.client else { return Ok(config.with_no_client_auth()) };
        config.with_client_auth_cert(certificates.clone(), key.clone_key()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => SetupError::Mismatch,
            error => SetupError::Tls(error.to_string()),
        })
    }
}

/// More than any list of certificates has.
const MAX_BYTES: u64 = 1024 * 1024;

fn bytes(flag: &'static str, file: &Path) -> Result<Vec<u8>, SetupError> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(MAX_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| file_error(flag, file, &error.to_string()))?;
    Ok(bytes)
}

fn certificates(flag: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(flag, file)?).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(file_error(flag, file, "there is no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(file_error(flag, file, &error.to_string())),
    }
}

fn file_error(flag: &'static str, file: &Path, reason: &str) -> SetupError {
    SetupError::File { flag, file: file.to_owned(), reason: reason.to_owned() }
}
