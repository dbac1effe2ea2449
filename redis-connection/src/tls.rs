//! TLS with the certificates of the moment.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::spawn_blocking;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::certificates::{CertificateFiles, Certificates, SetupError};

/// Opens TLS sessions. It reads the certificates again for each, so that a renewed one is used from the next
/// connection on.
pub(crate) struct Tls {
    files: CertificateFiles,
    current: Mutex<Current>,
}

struct Current {
    certificates: Certificates,
    connector: TlsConnector,
    /// Why the files cannot be used in the place of these certificates.
    refused: Option<SetupError>,
}

impl Tls {
    /// Reads the files. It blocks.
    pub(crate) fn new(files: CertificateFiles) -> Result<Self, SetupError> {
        let certificates = files.read()?;
        let connector = TlsConnector::from(Arc::new(certificates.config(&files)?));
        Ok(Self { files, current: Mutex::new(Current { certificates, connector, refused: None }) })
    }

    /// What the certificate of a server at this host must name.
    pub(crate) fn name(host: &str) -> io::Result<ServerName<'static>> {
        let invalid =
            |_| io::Error::new(io::ErrorKind::InvalidInput, "the host is no name that a certificate can have");
        ServerName::try_from(host.to_owned()).map_err(invalid)
    }

    /// What opens a session. If the files have become unusable, which is logged once, it is what they held before.
    pub(crate) async fn connector(&self) -> TlsConnector {
        let files = self.files.clone();
        let read =
            spawn_blocking(move || files.read()).await.unwrap_or_else(|error| Err(SetupError::Tls(error.to_string())));
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = match read {
            Ok(certificates) if certificates == current.certificates => {
                current.refused = None;
                return current.connector.clone();
            }
            Ok(certificates) => certificates.config(&self.files).map(|config| (certificates, config)),
            Err(error) => Err(error),
        };
        match renewed {
            Ok((certificates, config)) => {
                let connector = TlsConnector::from(Arc::new(config));
                *current = Current { certificates, connector, refused: None };
                tracing::info!("the certificates for Redis have changed: new connections use the new ones");
            }
            Err(error) if current.refused.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the certificates for Redis cannot be used any more: connections use the former ones");
                current.refused = Some(error);
            }
        }
        current.connector.clone()
    }

    pub(crate) fn has_certificate(&self) -> bool {
        self.files.certificate.is_some()
    }

    pub(crate) fn has_authorities(&self) -> bool {
        self.files.authorities.is_some()
    }
}
