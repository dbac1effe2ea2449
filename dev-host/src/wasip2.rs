//! Runs components built for WASI 0.2: one new instance per request, as Spin does.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use http::{Request, Response};
use tokio::sync::oneshot;
use tracing::{debug, error};
use wasmtime::{
    Store,
    component::{Component, Linker, Resource},
};
use wasmtime_wasi_http::p2::{
    self, WasiHttpView,
    bindings::{ProxyPre, http::types::Scheme},
    body::{HyperIncomingBody, HyperOutgoingBody},
    types::{HostIncomingRequest, HostResponseOutparam},
};

use crate::{
    bindings,
    component::{self, Engine},
    outbound_redis::HasOutboundRedis,
    run_error::RunError,
    settings::Settings,
    state::State,
    variables::HasComponentVariables,
};

/// Runs requests through one component.
pub(crate) struct Runner {
    pre: ProxyPre<State>,
    settings: Arc<Settings>,
}

impl Runner {
    /// Links the component, so that a request has only to instantiate it.
    pub(crate) fn new(engine: &Engine, component: &Component, settings: Settings) -> anyhow::Result<Self> {
        let pre = link(&engine.wasmtime, component).map_err(anyhow::Error::from).context(
            "it needs something that dev-host does not have: WASI 0.2, fermyon:spin/redis and fermyon:spin/variables are there",
        )?;
        Ok(Self { pre, settings: Arc::new(settings) })
    }

    /// See [`crate::runner::Runner::handle`].
    pub(crate) async fn handle(&self, request: Request<HyperIncomingBody>) -> Outcome {
        let mut store = component::store(self.pre.engine(), State::new(Arc::clone(&self.settings)));
        let (answer, answered) = Answer::new();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).map_err(RunError::Failed)?;
        let out = answer.clone();
        let out = HostResponseOutparam {
            send: Box::new(move |response| out.give(response.map_err(|code| RunError::Refused(code.to_string())))),
        };
        let out = store.data_mut().http().table.push(out).map_err(|error| RunError::Failed(error.into()))?;
        let pre = self.pre.clone();
        // A separate task, because it continues after this function has returned the head of the response. A client
        // that disconnects does not stop it.
        tokio::spawn(async move {
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
        });
        answered.await.map_err(|_| RunError::Lost)?
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
    p2::add_only_http_to_linker_async(&mut linker)?;
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
            // Fails if the client has disconnected.
            let _unsent = sender.send(outcome);
        }
    }

    fn is_given(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}
