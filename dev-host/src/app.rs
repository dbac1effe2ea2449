//! The application: routes that lead to loaded components.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tracing::{debug, error};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::{
    component::{Engine, Limits},
    plan::{Plan, Target},
    reuse::Reuse,
    routes::Router,
    runner::Runner,
    settings::Settings,
    spin_headers::{NoUrl, make_absolute},
};

/// Spin answers the paths below this itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// The body of a response: a component's, or this host's own.
pub(crate) type ResponseBody = Either<HyperOutgoingBody, Full<Bytes>>;

/// An application, ready to answer requests.
pub(crate) struct App {
    router: Router<Target>,
    /// The components with their ids.
    components: Vec<(String, Runner)>,
}

impl App {
    /// Loads the components. Blocks while they compile.
    ///
    /// # Errors
    /// A component is not there, or is none that this host can run.
    pub(crate) fn load(plan: Plan, limits: Limits, reuse: &Reuse) -> anyhow::Result<Self> {
        let engine = Engine::new(limits)?;
        let load = |(source, settings): (PathBuf, Settings)| {
            let id = settings.id.clone();
            let runner = engine
                .load(&source)
                .and_then(|component| Runner::new(&engine, &component, settings, reuse.clone()))
                .with_context(|| format!("component `{id}`"))?;
            Ok((id, runner))
        };
        let components = plan.components.into_iter().map(load).collect::<anyhow::Result<_>>()?;
        Ok(Self { router: plan.router, components })
    }

    /// Answers one request. Dropping the future does not stop a component that has begun.
    ///
    /// # Errors
    /// The request is none that can be answered.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<ResponseBody>, NoUrl> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.dispatch(request, client).await?;
        debug!("{method} {path} {}", response.status().as_u16());
        Ok(response)
    }

    async fn dispatch(
        &self,
        mut request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<ResponseBody>, NoUrl> {
        let path = request.uri().path().to_owned();
        if let Some(name) = path.strip_prefix(WELL_KNOWN) {
            return Ok(match name {
                "health" => plain(StatusCode::OK, "OK"),
                _ => plain(StatusCode::NOT_FOUND, ""),
            });
        }
        let Some(found) = self.router.route(&path) else {
            return Ok(plain(StatusCode::NOT_FOUND, ""));
        };
        let Target { headers, component } = found.target;
        let (component, runner) = &self.components[*component];
        make_absolute(&mut request)?;
        let url = request.uri().clone();
        if let Err(error) = headers.append(request.headers_mut(), &url, &found.path_info, client) {
            error!("component `{component}` gets no request: {error}");
            return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, ""));
        }
        Ok(match runner.handle(request).await {
            Ok(response) => response.map(Either::Left),
            Err(error) => {
                error!("component `{component}` failed: {error}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "")
            }
        })
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}
