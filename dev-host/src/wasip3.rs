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
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};
use tracing::{debug, error};
use wasmtime::{
    Store, StoreContextMut,
    component::{Component, GuestTaskId, Linker},
};
use wasmtime_wasi_http::{
    handler::{
        ErrorCode as EitherError, HandlerState, Instance, InstantiationError, Proxy, ProxyHandler, ShouldAccept,
        TrapOrPanicError, ViewFn, WorkerExpiration, WorkerState, WorkerStatus,
    },
    p2::{
        bindings::http::types::ErrorCode as P2Error,
        body::{HyperIncomingBody, HyperOutgoingBody},
    },
    p3::{
        WasiHttpView,
        bindings::{ServicePre, http::types::ErrorCode},
    },
};

use crate::{
    bindings,
    component::{self, Engine},
    outbound_redis::HasOutboundRedis,
    reuse::{Limits, Reuse},
    run_error::RunError,
    settings::Settings,
    state::State,
    variables::HasComponentVariables,
};

/// Runs requests through one component.
pub(crate) struct Runner {
    handler: ProxyHandler<Instances>,
}

impl Runner {
    /// Links the component, so that an instance has only to be made.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        settings: Settings,
        reuse: Reuse,
    ) -> anyhow::Result<Self> {
        let pre = link(&engine.wasmtime, component).map_err(anyhow::Error::from).context(
            "it needs something that dev-host does not have: WASI 0.2 and 0.3, spin:redis and spin:variables are there",
        )?;
        let instances = Instances { pre, settings: Arc::new(settings), reuse };
        Ok(Self { handler: ProxyHandler::new(instances) })
    }

    /// See [`crate::runner::Runner::handle`].
    pub(crate) async fn handle(
        &self,
        request: Request<HyperIncomingBody>,
    ) -> Result<Response<HyperOutgoingBody>, RunError> {
        let request = request.map(|body| body.map_err(EitherError::from).boxed_unsync());
        let response = self.handler.handle((), request).await.map_err(run_error)?;
        Ok(response.map(|body| body.map_err(body_error).boxed_unsync()))
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

/// One type of error for the bodies of both runners.
fn body_error(error: wasmtime::Error) -> P2Error {
    match error.downcast::<ErrorCode>() {
        Ok(code) => code.into(),
        Err(error) => P2Error::InternalError(Some(error.to_string())),
    }
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

/// Makes instances: one more whenever none is free, as many as the engine has room for.
struct Instances {
    pre: ServicePre<State>,
    settings: Arc<Settings>,
    reuse: Reuse,
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let mut store = component::store(self.pre.engine(), State::new(Arc::clone(&self.settings)));
        let proxy = Proxy::P3(self.pre.instantiate_async(&mut store).await?);
        let limits = self.reuse.limits();
        let state = Worker { settings: Arc::clone(&self.settings), limits };
        let expiration = Expiration { limits, sleep: Box::pin(sleep(Duration::MAX)) };
        Ok(Instance { store, proxy, view: ViewFn::P3(State::http), expiration, state })
    }
}

/// One instance at work.
struct Worker {
    settings: Arc<Settings>,
    limits: Limits,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestId = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.limits.requests {
            ShouldAccept::Never
        } else if concurrent >= self.limits.concurrent {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, State>,
        _id: (),
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(sleep(self.limits.request_timeout))
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

/// When an instance is given up: it has had nothing to do, or its requests no end, for as long as that may last.
struct Expiration {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, status: WorkerStatus, since: Instant) -> Poll<()> {
        let time = match status {
            WorkerStatus::Idle => self.limits.idle_timeout,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.limits.request_timeout,
        };
        let Some(end) = since.checked_add(time) else { return Poll::Pending };
        if self.sleep.deadline() != end.into() {
            self.sleep.as_mut().reset(end.into());
        }
        self.sleep.as_mut().poll(cx)
    }
}
