//! What a component is run with.

use crate::{allowed_hosts::AllowedHosts, variables::ComponentVariables};

/// What the manifest and the command line say about a component.
pub(crate) struct Settings {
    /// The component's id in the manifest.
    pub(crate) id: String,
    /// The variables that it can read.
    pub(crate) variables: ComponentVariables,
    /// Where it may connect to.
    pub(crate) allowed_hosts: AllowedHosts,
    /// Whether what it prints is dropped.
    pub(crate) quiet: bool,
}
