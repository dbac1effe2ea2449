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

use crate::{
    allowed_hosts::AllowedHosts,
    body::{RequestBody, ResponseBody},
    component::Engine,
    manifest::{Manifest, Route},
    routes::Router,
    runner::{Runner, Settings},
    spin_headers::RouteHeaders,
    variables::Variables,
};

/// Spin answers the paths below this itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

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
    pub(crate) fn load(manifest: &Manifest, variables: &Variables, quiet: bool) -> anyhow::Result<Self> {
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
    pub(crate) async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Response<ResponseBody> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.dispatch(request, client).await;
        debug!("{method} {path} {}", response.status().as_u16());
        response
    }

    async fn dispatch(&self, request: Request<Incoming>, client: SocketAddr) -> Response<ResponseBody> {
        let (mut head, body) = request.into_parts();
        let body = RequestBody::new(body, &head.headers);
        if let Some(name) = head.uri.path().strip_prefix(WELL_KNOWN) {
            return match name {
                "health" => plain(StatusCode::OK, "OK"),
                _ => plain(StatusCode::NOT_FOUND, ""),
            };
        }
        let Some(found) = self.router.route(head.uri.path()) else {
            return plain(StatusCode::NOT_FOUND, "");
        };
        let Target { headers, component, runner } = found.target;
        if let Err(error) = headers.put(&mut head.headers, &head.uri, &found.path_info, client) {
            debug!("refused a request: {error}");
            return plain(StatusCode::BAD_REQUEST, "");
        }
        match runner.handle(Request::from_parts(head, body)).await {
            Ok(response) => response.map(Either::Left),
            Err(error) => {
                error!("component `{component}` failed: {error}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "")
            }
        }
    }
}

fn load_component(
    engine: &Engine,
    manifest: &Manifest,
    variables: &Variables,
    id: &str,
    quiet: bool,
) -> anyhow::Result<Runner> {
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
    Runner::new(engine, &engine.load(&manifest.source(component))?, settings)
}

fn plain(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}
