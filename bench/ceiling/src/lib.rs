//! The minimal component for WASI 0.3 that puts an email on a Redis list: it reads the body, pushes it unchecked, and
//! answers. Its rate is the host's ceiling: no other component can be faster there.

#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "the macro of wasip3 exports the entry point by hand")]

use std::{cell::RefCell, rc::Rc};

use spin_sdk::{
    redis::{Connection, RedisParameter},
    variables,
    wasip3::{
        self,
        exports::http::handler::Guest,
        http::types::{ErrorCode, Fields, Request, Response},
        spawn, wit_future, wit_stream,
    },
    wit_bindgen::StreamResult,
};

struct Component;

wasip3::http::service::export!(Component);

thread_local! {
    /// One for all requests of the instance.
    static CONNECTION: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) };
}

impl Guest for Component {
    async fn handle(incoming: Request) -> Result<Response, ErrorCode> {
        let body = read(incoming).await;
        let pushed = push(body).await;
        answer(if pushed.is_some() { 200 } else { 503 })
    }
}

async fn read(incoming: Request) -> Vec<u8> {
    let (mut stream, _trailers) = Request::consume_body(incoming, wit_future::new(|| Ok(())).1);
    let mut body = Vec::with_capacity(1024);
    loop {
        body.reserve(1024);
        let (result, read) = stream.read(body).await;
        body = read;
        if result == StreamResult::Dropped {
            return body;
        }
    }
}

async fn push(email: Vec<u8>) -> Option<()> {
    let connection = connection().await?;
    let arguments = [RedisParameter::Binary(b"emails".to_vec()), RedisParameter::Binary(email)];
    connection.execute("LPUSH", arguments).await.ok().map(drop)
}

async fn connection() -> Option<Rc<Connection>> {
    if let Some(connection) = CONNECTION.with_borrow(Clone::clone) {
        return Some(connection);
    }
    let url = variables::get("redis_url").await.ok()?;
    let connection = Rc::new(Connection::open(url).await.ok()?);
    CONNECTION.set(Some(Rc::clone(&connection)));
    Some(connection)
}

fn answer(status: u16) -> Result<Response, ErrorCode> {
    let body = b"{}".to_vec();
    let headers = [
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), body.len().to_string().into_bytes()),
    ];
    let headers = Fields::from_list(&headers).map_err(|_| ErrorCode::InternalError(None))?;
    let (mut writer, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, Some(contents), trailers);
    let _ = response.set_status_code(status);
    spawn(async move {
        drop(writer.write_all(body).await);
        drop((writer, end));
    });
    Ok(response)
}
