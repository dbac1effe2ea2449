//! The application: routes that lead to loaded components.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tracing::{debug, error};
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::{
    allowed_hosts::AllowedHosts,
    component::Engine,
    manifest::{Manifest, Route},
    reuse::Reuse,
    routes::Router,
    runner::Runner,
    settings::Settings,
    spin_headers::{NoUrl, RouteHeaders, make_absolute},
    variables::Variables,
};

/// Spin answers the paths below this itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// The body of a response: a component's, or this host's own.
pub(crate) type ResponseBody = Either<HyperOutgoingBody, Full<Bytes>>;

/// An application, ready to answer requests.
pub(crate) struct App {
    router: Router<Target>,
}

/// Where a route leads.
struct Target {
    headers: RouteHeaders,
    component: String,
    runner: Arc<Runner>,
}

impl App {
    /// Loads the components that have a route. Blocks while they compile.
    pub(crate) fn load(manifest: &Manifest, variables: &Variables, reuse: &Reuse, quiet: bool) -> anyhow::Result<Self> {
        let engine = Engine::new()?;
        let mut runners = BTreeMap::new();
        let mut routes = Vec::new();
        for trigger in manifest.http_triggers() {
            let id = &trigger.component;
            let route = match &trigger.route {
                Route::Path(route) => route,
                Route::Private { private: true } => continue,
                Route::Private { private: false } => {
                    bail!("component `{id}`: a route is a path or {{ private = true }}")
                }
            };
            let runner = match runners.entry(id) {
                Entry::Occupied(loaded) => Arc::clone(loaded.get()),
                Entry::Vacant(place) => {
                    let runner = load_component(&engine, manifest, variables, id, quiet)
                        .and_then(|(component, settings)| Runner::new(&engine, &component, settings, reuse.clone()))
                        .with_context(|| format!("component `{id}`"))?;
                    Arc::clone(place.insert(Arc::new(runner)))
                }
            };
            let headers = RouteHeaders::new(route).with_context(|| format!("route {route:?}"))?;
            routes.push((route.clone(), Target { headers, component: id.clone(), runner }));
        }
        Ok(Self { router: Router::new(routes)? })
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
        let Target { headers, component, runner } = found.target;
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

fn load_component(
    engine: &Engine,
    manifest: &Manifest,
    variables: &Variables,
    id: &str,
    quiet: bool,
) -> anyhow::Result<(Component, Settings)> {
    let component = manifest.components.get(id).context("a trigger names it, but the manifest does not describe it")?;
    let hosts = component
        .allowed_outbound_hosts
        .iter()
        .map(|host| variables.expand(host))
        .collect::<Result<Vec<_>, _>>()
        .context("allowed_outbound_hosts")?;
    let settings = Settings {
        id: id.to_owned(),
        variables: variables.of_component(&component.variables).context("variables")?,
        allowed_hosts: AllowedHosts::parse(&hosts).context("allowed_outbound_hosts")?,
        quiet,
    };
    Ok((engine.load(&manifest.source(component))?, settings))
}

fn plain(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}
