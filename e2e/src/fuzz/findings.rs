//! What came of a round of requests.

use std::{collections::BTreeMap, fmt};

use super::request::Request;

/// How much of a request is shown.
const SHOWN: usize = 4000;

/// The result of a round.
#[derive(Debug, Default)]
pub struct Round {
    /// How many answers there were of each status.
    pub answers: BTreeMap<u16, usize>,
    /// How many emails were accepted.
    pub accepted: usize,
    /// How many of them have arrived.
    pub arrived: usize,
    /// Findings.
    pub findings: Vec<Finding>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// The request that caused it.
    pub request: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {}", self.what, self.request)
    }
}

impl Finding {
    pub(super) fn new(what: impl Into<String>, request: &Request) -> Self {
        let Request { method, path, headers, body, chunked } = request;
        let chunked = if *chunked { " in chunks" } else { "" };
        let body = String::from_utf8_lossy(body);
        let mut request = format!("{method} {path}{chunked} {headers:?} {body:?}");
        if request.len() > SHOWN {
            request = format!("{}…", &request[..request.floor_char_boundary(SHOWN)]);
        }
        Self { what: what.into(), request }
    }
}
