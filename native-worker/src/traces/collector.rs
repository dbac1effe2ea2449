//! The HTTP client of a collector: a connection for each export, without TLS, redirects and proxies.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Uri, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::{net::TcpStream, runtime::Handle, time::timeout};

/// How long an export may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer, in bytes: it says at most which spans were refused.
const MAX_ANSWER: usize = 64 * 1024;

/// A collector. The exporter's thread has no runtime: requests run on that of the worker.
pub(super) struct Collector {
    handle: Handle,
    /// Whether the last export failed, so that this and its end are logged once each.
    failed: Arc<AtomicBool>,
}

impl Collector {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, failed: Arc::default() }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl HttpClient for Collector {
    fn send_bytes<'client, 'answer>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'client: 'answer,
        Self: 'answer,
    {
        let failed = Arc::clone(&self.failed);
        let sending = self.handle.spawn(async move {
            let answer = timeout(TIMEOUT, send(request)).await.unwrap_or_else(|_| Err("it does not answer".into()));
            log(&failed, &answer);
            answer
        });
        Box::pin(async move { sending.await? })
    }
}

async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let uri = request.uri();
    let host = uri.host().ok_or("no host is named")?.trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(80))).await?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Without user and password, if there are any.
    let authority = authority.rsplit('@').next().unwrap_or_default().to_owned();
    let path: Uri = uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    request.headers_mut().insert(HOST, HeaderValue::try_from(authority)?);
    *request.uri_mut() = path;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // The answer may have come with the end.
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

fn log(failed: &AtomicBool, answer: &Result<Response<Bytes>, HttpError>) {
    let error = match answer {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(answer.status().to_string()),
        Err(error) => Some(error.to_string()),
    };
    match error {
        Some(error) => {
            if !failed.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    error,
                    "the collector of traces cannot be used; traces are lost until it can, emails are sent all the same"
                );
            }
        }
        None => {
            if failed.swap(false, Ordering::Relaxed) {
                tracing::info!("the collector of traces can be used again");
            }
        }
    }
}
