//! Runs components built for WASI 0.3: an instance serves many requests, several at the same time, as in Spin.
//!
//! The pool of instances is wasmtime's own [`ProxyHandler`], the one that Spin 4 uses.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::{Duration, Instant},
};

use anyhow::Context;
use http::{Request, Response, Uri, header::HOST, uri};
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tracing::{debug, error};
use wasmtime::{
    Store, StoreContextMut,
    component::{Component, GuestTaskId, Linker},
};
use wasmtime_wasi_http::{
    Error as HttpError, WasiHttpView,
    handler::{
        HandlerState, Instance, InstantiationError, Proxy, ProxyHandler, ShouldAccept, TrapOrPanicError,
        WorkerExpiration, WorkerState, WorkerStatus,
    },
    p3::bindings::{ServicePre, http::types::ErrorCode},
};

use crate::{
    bindings,
    body::{GuestBody, RequestBody},
    component::Engine,
    outbound_redis::HasOutboundRedis,
    runner::{RunError, Settings},
    state::State,
    variables::HasComponentVariables,
};

/// After so many requests an instance takes no more. This and the next two are what `spin up` does by default:
/// <https://github.com/spinframework/spin/blob/main/crates/trigger-http/src/lib.rs>.
const MAX_REQUESTS: usize = 128;

/// How many requests an instance serves at the same time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// How long an instance without a request is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs requests through one component.
pub(crate) struct Runner {
    handler: ProxyHandler<Instances>,
}

impl Runner {
    /// Links the component, so that an instance has only to be made.
    pub(crate) fn new(engine: &Engine, component: &Component, settings: Settings) -> anyhow::Result<Self> {
        let pre = link(&engine.wasmtime, component).map_err(anyhow::Error::from).context(
            "it needs something that dev-host has not: WASI 0.2 and 0.3, spin:redis and spin:variables are there",
        )?;
        let instances = Instances { pre, settings: Arc::new(settings), slots: Arc::clone(&engine.slots) };
        Ok(Self { handler: ProxyHandler::new(instances) })
    }

    /// See [`crate::runner::Runner::handle`].
    pub(crate) async fn handle(&self, mut request: Request<RequestBody>) -> Result<Response<GuestBody>, RunError> {
        // The component learns the host from here: it is not among the headers that WASI hands on.
        *request.uri_mut() = absolute(&request);
        let request = request.map(|body| body.map_err(HttpError::from).boxed_unsync());
        let response = self.handler.handle((), request).await.map_err(run_error)?;
        Ok(response.map(GuestBody::of_instance))
    }
}

fn link(engine: &wasmtime::Engine, component: &Component) -> wasmtime::Result<ServicePre<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::redis_wasip3::add_to_linker::<_, HasOutboundRedis>(&mut linker, State::redis)?;
    bindings::variables_wasip3::add_to_linker::<_, HasComponentVariables>(&mut linker, State::variables)?;
    ServicePre::new(linker.instantiate_pre(component)?)
}

fn absolute<B>(request: &Request<B>) -> Uri {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(uri::Scheme::HTTP);
    if let Some(host) = request.headers().get(HOST) {
        parts.authority = host.to_str().ok().and_then(|host| host.parse().ok());
    }
    Uri::from_parts(parts).unwrap_or_else(|_| request.uri().clone())
}

fn run_error(error: wasmtime::Error) -> RunError {
    if error.is::<TrapOrPanicError>() {
        return RunError::InstanceFailed;
    }
    if let Some(ErrorCode::InternalError(Some(text))) = error.downcast_ref::<ErrorCode>() {
        return RunError::Refused(text.clone());
    }
    if let Some(error) = error.downcast_ref::<InstantiationError<()>>() {
        return RunError::NoInstance(error.error.root_cause().to_string());
    }
    RunError::Failed(error)
}

/// Makes instances.
struct Instances {
    pre: ServicePre<State>,
    settings: Arc<Settings>,
    slots: Arc<Semaphore>,
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let slot = Arc::clone(&self.slots).acquire_owned().await?;
        let mut store = Store::new(self.pre.engine(), State::new(Arc::clone(&self.settings)));
        let proxy = Proxy::P3(self.pre.instantiate_async(&mut store).await?);
        let state = Worker { settings: Arc::clone(&self.settings), _slot: slot };
        let expiration = Expiration(Box::pin(sleep(IDLE_TIMEOUT)));
        Ok(Instance { store, proxy, view: State::http, expiration, state })
    }
}

/// One instance at work.
struct Worker {
    settings: Arc<Settings>,
    _slot: OwnedSemaphorePermit,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        match (concurrent, total) {
            (_, MAX_REQUESTS..) => ShouldAccept::Never,
            (MAX_CONCURRENT_REQUESTS.., _) => ShouldAccept::No,
            _ => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, State>,
        _data: (),
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        // A request may take as long as it likes.
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<State>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            let id = &self.settings.id;
            // With the stack of the guest, which says something only if the build kept its names.
            debug!("component `{id}`: {error:#}");
            error!("an instance of component `{id}` failed: {}", error.root_cause());
        }
        drop(store);
    }
}

/// When an instance is given up: [`IDLE_TIMEOUT`] after it has had nothing to do.
struct Expiration(Pin<Box<Sleep>>);

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, status: WorkerStatus, since: Instant) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let end = (since + IDLE_TIMEOUT).into();
        if self.0.deadline() != end {
            self.0.as_mut().reset(end);
        }
        self.0.as_mut().poll(cx)
    }
}
