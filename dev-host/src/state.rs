//! What one instance of a component has: its resources, and the host's side of its interfaces.

use std::sync::Arc;

use http::{Request, Response};
use tracing::{debug, warn};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::bindings::http::types as p2, p3::bindings::http::types as p3,
};

use crate::{outbound_redis::OutboundRedis, runner::Settings, variables::ComponentVariables};

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
            // Both to stderr: stdout is for whoever waits for the one line there.
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

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct Hooks {
    settings: Arc<Settings>,
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl Hooks {
    fn cannot_read(&self, error: &hyper::Error) {
        // Mostly a client that went away in the middle of its request: its affair, not worth a warning.
        debug!("component `{}`: cannot read the request: {error}", self.settings.id);
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _received: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        warn!(
            "component `{}` may not send an HTTP request to {}: dev-host has no outgoing HTTP",
            self.settings.id,
            request.uri().host().unwrap_or_default(),
        );
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> p2::ErrorCode {
        self.cannot_read(error);
        p2::ErrorCode::HttpProtocolError
    }

    fn p3_error_from_hyper(&mut self, error: &hyper::Error) -> p3::ErrorCode {
        self.cannot_read(error);
        p3::ErrorCode::HttpProtocolError
    }
}
