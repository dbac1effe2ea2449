//! What a handler gets beside the body.

use http::request::Parts;

use crate::{access::Caller, client::Client, settings::Settings};

/// One request, and what it takes to serve it.
pub(crate) struct Context<'a, R> {
    pub(crate) parts: &'a Parts,
    pub(crate) client: &'a Client,
    pub(crate) caller: &'a Caller,
    pub(crate) settings: &'a Settings,
    pub(crate) redis: &'a R,
}
