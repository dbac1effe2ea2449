//! A Redis server that speaks TLS.

use std::{env, path::PathBuf};

use harness::{RedisServer, ports::free_port, redis_server::PROGRAM_VARIABLE};

use crate::authority::{Authority, CertificateFiles};

/// The variable that names a program with TLS, where the one of [`PROGRAM_VARIABLE`] may be without.
pub const TLS_PROGRAM_VARIABLE: &str = "TLS_REDIS_SERVER";

/// Redis with a port for TLS beside the one for the test itself.
#[derive(Debug)]
pub struct TlsRedis {
    /// The server.
    pub server: RedisServer,
    /// Its certificate. Redis reads the files when it starts.
    pub files: CertificateFiles,
    port: u16,
}

impl TlsRedis {
    /// Starts a server whose certificate is for `localhost`. If `asks_clients`, it serves only clients with a certificate of the
    /// same authority.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub fn start(authority: &Authority, asks_clients: bool) -> Self {
        let (files, port) = (CertificateFiles::new(authority, &["localhost"]), free_port());
        let path = |path: std::path::PathBuf| path.display().to_string();
        let server = RedisServer::builder()
            .program(program())
            .setting("tls-port", port.to_string())
            .setting("tls-cert-file", path(files.certificate()))
            .setting("tls-key-file", path(files.key()))
            .setting("tls-ca-cert-file", path(files.authority()))
            .setting("tls-auth-clients", if asks_clients { "yes" } else { "no" })
            .start();
        Self { server, files, port }
    }

    /// `rediss://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// Kills the server, gives it a new certificate of an authority, which its clients need as well, and starts it again.
    ///
    /// # Panics
    /// As [`RedisServer::start_again`].
    pub fn renew(&mut self, authority: &Authority) {
        self.server.kill_now();
        self.files.renew(authority, &["localhost"]);
        self.server.start_again();
    }
}

/// The program of a Redis server that has TLS.
pub fn program() -> PathBuf {
    let named = [TLS_PROGRAM_VARIABLE, PROGRAM_VARIABLE].into_iter().find_map(env::var_os);
    named.map_or_else(|| "redis-server".into(), PathBuf::from)
}
