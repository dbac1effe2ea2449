//! The web page for operators as a Spin component, for WASI 0.2, which hosts of WASI 0.3 run too.

#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "the macro of wasi exports the entry point by hand")]

use dashboard::Answer;
use wasi::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Component;

wasi::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let method = match request.method() {
            Method::Get => "GET",
            Method::Head => "HEAD",
            _ => "",
        };
        let path = request.path_with_query().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let known = request.headers().get(&"if-none-match".to_owned());
        let known = known.first().map(|tags| String::from_utf8_lossy(tags));
        send(&dashboard::answer(method, path, known.as_deref()), out);
    }
}

/// Whatever the host refuses of it, it then answers the client itself.
fn send(answer: &Answer, out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in &answer.headers {
        let _ = headers.append(&(*name).to_owned(), &value.as_bytes().to_vec());
    }
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(answer.status);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    // As much as the host takes before it has the head: it then sends head and body of a small file together.
    let taken = usize::try_from(stream.check_write().unwrap_or_default()).unwrap_or_default().min(answer.body.len());
    let (first, rest) = answer.body.split_at(taken);
    let began = stream.write(first);
    ResponseOutparam::set(out, Ok(response));
    // The most that the host takes in one call (WASI 0.2, `blocking-write-and-flush`).
    let mut chunks = rest.chunks(4096);
    if began.is_ok() && chunks.all(|chunk| stream.blocking_write_and_flush(chunk).is_ok()) {
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
