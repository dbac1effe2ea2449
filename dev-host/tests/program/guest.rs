//! Minimal core modules that handle requests, built here so that no Wasm compiler is needed.

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, Module, TypeSection,
    ValType,
};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// As much of WASI as a handler needs that waits, and touches neither its request nor its response.
const WIT: &str = "
package test:guest;

world guest {
    import wasi:io/poll@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    export wasi:http/incoming-handler@0.2.0;
}

package wasi:io@0.2.0 {
    interface poll {
        resource pollable {
            block: func();
        }
    }
}

package wasi:clocks@0.2.0 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        type duration = u64;
        subscribe-duration: func(when: duration) -> pollable;
    }
}

package wasi:http@0.2.0 {
    interface types {
        resource incoming-request;
        resource response-outparam;
    }

    interface incoming-handler {
        use types.{incoming-request, response-outparam};
        handle: func(request: incoming-request, response-out: response-outparam);
    }
}
";

/// A handler that returns without a response.
pub(crate) fn returns() -> Vec<u8> {
    handler(|_| {})
}

/// A handler that traps.
pub(crate) fn traps() -> Vec<u8> {
    handler(|body| {
        body.instructions().unreachable();
    })
}

/// A handler that waits for an hour. It does not block its thread: an endless computation would occupy a thread of the
/// host's runtime, possibly the one that polls all sockets.
pub(crate) fn waits() -> Vec<u8> {
    const HOUR_IN_NS: i64 = 3_600_000_000_000;
    handler(|body| {
        body.instructions().i64_const(HOUR_IN_NS).call(SUBSCRIBE_DURATION).call(BLOCK);
    })
}

/// The functions that each module imports, by their index.
const SUBSCRIBE_DURATION: u32 = 0;
const BLOCK: u32 = 1;
const HANDLE: u32 = 2;

/// A handler with this body, as a compiler for `wasm32-wasip1` leaves it: a core module that says which world it is for.
fn handler(write: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], []);
    types.ty().function([ValType::I64], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    imports.import("wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration", EntityType::Function(1));
    imports.import("wasi:io/poll@0.2.0", "[method]pollable.block", EntityType::Function(2));
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("wasi:http/incoming-handler@0.2.0#handle", ExportKind::Func, HANDLE);
    let mut body = Function::new([]);
    write(&mut body);
    body.instructions().end();
    let mut code = CodeSection::new();
    code.function(&body);

    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    let mut wasm = module.finish();

    let mut resolve = Resolve::default();
    let package = resolve.push_str("guest.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    wasm
}
