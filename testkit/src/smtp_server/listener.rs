//! Accepting connections, and what their sessions share.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::log::Log;
use super::script::Script;
use super::{Security, session};

/// What the server and its sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether messages are kept.
    pub(super) keeps: bool,
    pub(super) security: Security,
    pub(super) tls: Option<TlsSetup>,
    pub(super) login: Option<Login>,
    pub(super) smtputf8: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) max_message: usize,
    pub(super) asks_for_response: bool,
    pub(super) script: watch::Sender<Script>,
    pub(super) log: watch::Sender<Log>,
    /// Counts the calls of `release`.
    pub(super) releases: watch::Sender<usize>,
    /// Changes when all connections are to be closed.
    pub(super) cut: watch::Sender<()>,
}

/// A [`tokio_rustls::TlsAcceptor`], which has no `Debug` of its own.
pub(super) struct TlsSetup(pub(super) tokio_rustls::TlsAcceptor);

#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// Accepts until it is aborted, which ends the sessions as well: they are tasks of its set.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let shared = Arc::clone(&shared);
                let mut cut = shared.cut.subscribe();
                let number = shared.opened();
                sessions.spawn(async move {
                    tokio::select! {
                        _ = session::serve(stream, number, &shared) => {}
                        _ = cut.changed() => {}
                    }
                    shared.closed();
                });
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

impl Shared {
    fn opened(&self) -> usize {
        self.log.send_modify(|log| {
            log.connections += 1;
            log.open_connections += 1;
        });
        self.log.borrow().connections
    }

    fn closed(&self) {
        self.log.send_modify(|log| log.open_connections -= 1);
    }
}

impl std::fmt::Debug for TlsSetup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsSetup")
    }
}
