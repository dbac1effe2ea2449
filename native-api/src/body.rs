//! The body of a request, as hyper streams it.

use api::{body::BodyError, instance::BodyStream};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

pub(crate) struct RequestBody(pub(crate) Incoming);

impl BodyStream for RequestBody {
    type Chunk = Bytes;

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        while let Some(frame) = self.0.frame().await {
            let frame = frame.map_err(|_| BodyError::Incomplete)?;
            // The API ignores trailers.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
