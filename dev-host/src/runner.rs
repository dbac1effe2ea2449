//! A request through a component, whichever WASI it was built for.

use anyhow::bail;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tracing::debug;
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::{bindings::http::types::ErrorCode, body::HyperOutgoingBody};

use crate::{component::Engine, reuse::Reuse, run_error::RunError, settings::Settings, wasip2, wasip3};

/// Runs requests through one component.
pub(crate) enum Runner {
    /// The component exports `wasi:http/incoming-handler` 0.2.
    Wasip2(wasip2::Runner),
    /// It exports `wasi:http/handler` 0.3.
    Wasip3(wasip3::Runner),
}

impl Runner {
    /// Links the component to the interfaces that this host has.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        settings: Settings,
        reuse: Reuse,
    ) -> anyhow::Result<Self> {
        let ty = component.component_type();
        let exports = |interface: &str| ty.exports(&engine.wasmtime).any(|(name, _)| name.starts_with(interface));
        if exports("wasi:http/incoming-handler@0.2.") {
            return Ok(Self::Wasip2(wasip2::Runner::new(engine, component, settings)?));
        }
        if exports("wasi:http/handler@0.3.0") {
            return Ok(Self::Wasip3(wasip3::Runner::new(engine, component, settings, reuse)?));
        }
        bail!("it exports neither wasi:http/incoming-handler 0.2 nor wasi:http/handler 0.3.0: dev-host runs only these")
    }

    /// Runs one request: under WASI 0.2 in a new instance, under WASI 0.3 in one that may serve others as well.
    ///
    /// Returns when the response begins; its body is still being written then. Dropping the future, or the body before its
    /// end, does not stop the component.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Result<Response<HyperOutgoingBody>, RunError> {
        let request = request.map(|body| body.map_err(cannot_read).boxed_unsync());
        match self {
            Self::Wasip2(runner) => runner.handle(request).await,
            Self::Wasip3(runner) => runner.handle(request).await,
        }
    }
}

/// The error for a component whose request is aborted. Usually the client disconnected, which deserves no warning.
#[allow(clippy::needless_pass_by_value, reason = "this is how map_err calls it")]
fn cannot_read(error: hyper::Error) -> ErrorCode {
    debug!("cannot read the request: {error}");
    ErrorCode::HttpProtocolError
}
