//! What a handler is given.

use http::request::Parts;

use crate::{access::Caller, settings::Settings};

/// What a handler needs beside the body: who asks for what, under which settings, and where the queue is.
pub(crate) struct Context<'a, R> {
    pub(crate) parts: &'a Parts,
    pub(crate) caller: &'a Caller,
    pub(crate) settings: &'a Settings,
    pub(crate) redis: &'a R,
}
