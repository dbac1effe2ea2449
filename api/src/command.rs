//! Bodies of an operator's requests: JSON objects with few fields, all of them optional.

use std::time::Duration;

use email_queue::email::names;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    body::{Body, read_json},
    error::ApiError,
};

/// The largest body: a request has a few words.
const MAX_BYTES: usize = 4096;

/// The longest name that an error repeats, in characters.
const MAX_NAME: usize = 64;

/// How long to wait for a body that may not be there.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The fields of a request.
pub(crate) struct Command(Map<String, Value>);

impl Command {
    /// Reads a body. One that is not there at all, as `curl -X POST` sends none, is as `{}`.
    ///
    /// # Errors
    /// A name that is not among `known` is refused: a filter that was ignored would change emails that were not meant.
    pub(crate) async fn read(
        headers: &HeaderMap,
        mut body: impl Body,
        limit: usize,
        known: &[&'static str],
    ) -> Result<Self, ApiError> {
        if !headers.contains_key(header::CONTENT_TYPE) {
            while let Some(chunk) = body.chunk(TIMEOUT).await? {
                if !chunk.as_ref().is_empty() {
                    return Err(ApiError::unsupported_media_type());
                }
            }
            return Ok(Self(Map::new()));
        }
        let body = read_json(headers, body, limit.min(MAX_BYTES)).await?;
        let value = serde_json::from_slice(&body).map_err(ApiError::invalid_json)?;
        let Value::Object(fields) = value else { return Err(ApiError::no_object()) };
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let names = known.join("`, `");
            let reason = match names::misspelt(unknown, known) {
                Some(misspelt) => misspelt.reason(),
                None => format!("there is no such name here, only `{names}`"),
            };
            let unknown: String = unknown.chars().take(MAX_NAME).collect();
            return Err(ApiError::invalid_field(&unknown, reason));
        }
        Ok(Self(fields))
    }

    /// A field; `None` if it is missing or null. `rule` says what it has to be.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &'static str, rule: &str) -> Result<Option<T>, ApiError> {
        let value = self.0.remove(name).filter(|value| !value.is_null());
        value.map(|value| serde_json::from_value(value).map_err(|_| ApiError::invalid_field(name, rule))).transpose()
    }
}
