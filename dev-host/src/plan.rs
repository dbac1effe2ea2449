//! What is to be served: routes and components, judged and not yet loaded.

use std::path::PathBuf;

use anyhow::Context;

use crate::{
    allowed_hosts::AllowedHosts, manifest::Manifest, routes::Router, settings::Settings, spin_headers::RouteHeaders,
    variables::Variables,
};

/// Routes that lead to components.
pub(crate) struct Plan {
    /// Which component answers which path.
    pub(crate) router: Router<Target>,
    /// The components that have a route: where the `.wasm` is, and what it is run with.
    pub(crate) components: Vec<(PathBuf, Settings)>,
}

/// Where a route leads.
pub(crate) struct Target {
    /// What the component gets to know about the route.
    pub(crate) headers: RouteHeaders,
    /// The component's position in [`Plan::components`].
    pub(crate) component: usize,
}

impl Plan {
    /// # Errors
    /// The manifest describes what this host cannot serve, or uses a variable that is not there.
    pub(crate) fn new(manifest: &Manifest, variables: &Variables, quiet: bool) -> anyhow::Result<Self> {
        let mut components: Vec<(PathBuf, Settings)> = Vec::new();
        let mut routes = Vec::new();
        for trigger in manifest.http_triggers() {
            let id = &trigger.component;
            let known = components.iter().position(|(_, settings)| settings.id == *id);
            let component = known.unwrap_or(components.len());
            if known.is_none() {
                let planned = component_of(manifest, variables, id, quiet);
                components.push(planned.with_context(|| format!("component `{id}`"))?);
            }
            let route = &trigger.route;
            let headers = RouteHeaders::new(route).with_context(|| format!("route {route:?}"))?;
            routes.push((route.clone(), Target { headers, component }));
        }
        Ok(Self { router: Router::new(routes)?, components })
    }
}

fn component_of(
    manifest: &Manifest,
    variables: &Variables,
    id: &str,
    quiet: bool,
) -> anyhow::Result<(PathBuf, Settings)> {
    let component = manifest.components.get(id).context("a trigger names it, but the manifest does not describe it")?;
    let hosts = component.allowed_outbound_hosts.iter().map(|host| variables.expand(host));
    let hosts = hosts.collect::<Result<Vec<_>, _>>().context("allowed_outbound_hosts")?;
    let settings = Settings {
        id: id.to_owned(),
        variables: variables.of_component(&component.variables).context("variables")?,
        allowed_hosts: AllowedHosts::parse(&hosts).context("allowed_outbound_hosts")?,
        quiet,
    };
    Ok((manifest.source(component), settings))
}
