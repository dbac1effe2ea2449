//! Runs components built for WASI 0.2: one new instance per request, as Spin does.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use http::{Request, Response, header::CONTENT_LENGTH};
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, error, warn};
use wasmtime::{
    Store,
    component::{Component, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::{
        bindings::{
            ProxyPre,
            http::types::{ErrorCode, Scheme},
        },
        body::HyperOutgoingBody,
        types::{HostIncomingRequest, HostResponseOutparam},
    },
};

use crate::{
    bindings,
    body::{GuestBody, RequestBody},
    component::Engine,
    outbound_redis::{HasOutboundRedis, OutboundRedis},
    runner::{RunError, Settings},
    variables::{ComponentVariables, HasComponentVariables},
};

/// Runs requests through one component.
pub(crate) struct Runner {
    pre: ProxyPre<State>,
    settings: Arc<Settings>,
    slots: Arc<Semaphore>,
}

impl Runner {
    /// Links the component, so that a request has only to instantiate it.
    pub(crate) fn new(engine: &Engine, component: &Component, settings: Settings) -> anyhow::Result<Self> {
        let pre = link(&engine.wasmtime, component).map_err(anyhow::Error::from).context(
            "it needs something that dev-host has not: WASI 0.2, fermyon:spin/redis and fermyon:spin/variables are there",
        )?;
        Ok(Self { pre, settings: Arc::new(settings), slots: Arc::clone(&engine.slots) })
    }

    /// See [`crate::runner::Runner::handle`].
    pub(crate) async fn handle(&self, request: Request<RequestBody>) -> Result<Response<GuestBody>, RunError> {
        // Closed only if someone closes it, which nobody does.
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| RunError::Lost)?;
        let mut store = Store::new(self.pre.engine(), State::new(Arc::clone(&self.settings)));
        let (answer, answered) = Answer::new();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).map_err(RunError::Failed)?;
        let out = answer.clone();
        let out = store
            .data_mut()
            .http()
            .new_response_outparam_from_callback(move |response| out.give(response.map_err(RunError::Refused)))
            .map_err(RunError::Failed)?;
        let pre = self.pre.clone();
        // A task of its own, because it goes on after this function has returned the head of the response. A client that
        // goes away before that does not stop it: what the component has begun, it ends.
        let task = tokio::spawn(async move {
            let outcome = run(&pre, &mut store, request, out).await;
            if let Err(error) = &outcome {
                // With the stack of the guest, which says something only if the build kept its names.
                debug!("component `{}`: {error:#}", store.data().settings.id);
            }
            match outcome {
                Err(error) if !answer.is_given() => answer.give(Err(RunError::Failed(error))),
                Ok(()) if !answer.is_given() => answer.give(Err(RunError::NoResponse)),
                Err(error) => {
                    let (id, cause) = (&store.data().settings.id, error.root_cause());
                    error!("component `{id}` failed after its response had begun: {cause}");
                }
                Ok(()) => {}
            }
            drop((store, slot));
        });
        let response = answered.await.map_err(|_| RunError::Lost)??;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Ok(response.map(|body| GuestBody::new(body, length, task.abort_handle())))
    }
}

async fn run(
    pre: &ProxyPre<State>,
    store: &mut Store<State>,
    request: Resource<HostIncomingRequest>,
    out: Resource<HostResponseOutparam>,
) -> wasmtime::Result<()> {
    let proxy = pre.instantiate_async(&mut *store).await?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}

fn link(engine: &wasmtime::Engine, component: &Component) -> wasmtime::Result<ProxyPre<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bindings::redis::add_to_linker::<_, HasOutboundRedis>(&mut linker, State::redis)?;
    bindings::variables::add_to_linker::<_, HasComponentVariables>(&mut linker, State::variables)?;
    ProxyPre::new(linker.instantiate_pre(component)?)
}

type Outcome = Result<Response<HyperOutgoingBody>, RunError>;

/// The one answer to a request: the component's response or, if it ends without one, why.
#[derive(Clone)]
struct Answer(Arc<Mutex<Option<oneshot::Sender<Outcome>>>>);

impl Answer {
    fn new() -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn give(&self, outcome: Outcome) {
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits any more if the client went away.
            let _unsent = sender.send(outcome);
        }
    }

    fn is_given(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// The state of one request.
struct State {
    settings: Arc<Settings>,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    redis_connections: usize,
}

impl State {
    fn new(settings: Arc<Settings>) -> Self {
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

    fn redis(&mut self) -> OutboundRedis<'_> {
        OutboundRedis {
            component: &self.settings.id,
            allowed_hosts: &self.settings.allowed_hosts,
            table: &mut self.table,
            connections: &mut self.redis_connections,
        }
    }

    fn variables(&mut self) -> &ComponentVariables {
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

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        // Mostly a client that went away in the middle of its request: its affair, not worth a warning.
        debug!("component `{}`: cannot read the request: {error}", self.settings.id);
        ErrorCode::HttpProtocolError
    }
}
