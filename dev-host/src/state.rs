//! What one instance of a component has: its resources, and the host's side of its interfaces.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use tracing::warn;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{TrappableError, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    WasiHttpCtx,
    p2::{
        self, HttpResult,
        bindings::http::types::ErrorCode as P2Error,
        body::HyperOutgoingBody,
        types::{HostFutureIncomingResponse, OutgoingRequestConfig},
    },
    p3::{self, RequestOptions, bindings::http::types::ErrorCode as P3Error},
};

use crate::{outbound_redis::OutboundRedis, settings::Settings, variables::ComponentVariables};

/// The state of one instance.
pub(crate) struct State {
    /// The component's settings.
    pub(crate) settings: Arc<Settings>,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    redis_connections: usize,
}

impl State {
    /// The state of a new instance.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let mut wasi = WasiCtx::builder();
        if !settings.quiet {
            // Both to stderr, because tools wait for a line on stdout.
            wasi.stdout(std::io::stderr()).stderr(std::io::stderr());
        }
        Self {
            hooks: Hooks { settings: Arc::clone(&settings) },
            settings,
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            redis_connections: 0,
        }
    }

    /// For the linker.
    pub(crate) fn redis(&mut self) -> OutboundRedis<'_> {
        OutboundRedis { settings: &self.settings, table: &mut self.table, connections: &mut self.redis_connections }
    }

    /// For the linker.
    pub(crate) fn variables(&mut self) -> &ComponentVariables {
        &self.settings.variables
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl p2::WasiHttpView for State {
    fn http(&mut self) -> p2::WasiHttpCtxView<'_> {
        p2::WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

impl p3::WasiHttpView for State {
    fn http(&mut self) -> p3::WasiHttpCtxView<'_> {
        p3::WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct Hooks {
    settings: Arc<Settings>,
}

impl Hooks {
    fn denied(&self, uri: &Uri) {
        warn!(
            "component `{}` may not send an HTTP request to {}: dev-host has no outgoing HTTP",
            self.settings.id,
            uri.host().unwrap_or_default(),
        );
    }
}

impl p2::WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<HyperOutgoingBody>,
        _config: OutgoingRequestConfig,
    ) -> HttpResult<HostFutureIncomingResponse> {
        self.denied(request.uri());
        Err(P2Error::HttpRequestDenied.into())
    }
}

type P3Body = UnsyncBoxBody<Bytes, P3Error>;
/// When a message has been sent or received to its end.
type Finished = Box<dyn Future<Output = Result<(), P3Error>> + Send>;
type Sent = Result<(Response<P3Body>, Finished), TrappableError<P3Error>>;

impl p3::WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<P3Body>,
        _options: Option<RequestOptions>,
        _received: Finished,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        self.denied(request.uri());
        Box::new(async { Err(P3Error::HttpRequestDenied.into()) })
    }
}
