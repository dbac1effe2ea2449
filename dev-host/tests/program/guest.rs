//! The smallest core modules that can be request handlers, made here because a compiler for Wasm need not be installed.

use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection, ValType,
};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// As much of `wasi:http` as a handler needs that touches neither its request nor its response.
const WIT: &str = "
package test:guest;

world guest {
    export wasi:http/incoming-handler@0.2.0;
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

/// A handler that never ends.
pub(crate) fn loops() -> Vec<u8> {
    handler(|body| {
        body.instructions().loop_(BlockType::Empty).br(0).end();
    })
}

/// A handler with this body, as a compiler for `wasm32-wasip1` leaves it: a core module that says which world it is for.
fn handler(write: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("wasi:http/incoming-handler@0.2.0#handle", ExportKind::Func, 0);
    let mut body = Function::new([]);
    write(&mut body);
    body.instructions().end();
    let mut code = CodeSection::new();
    code.function(&body);

    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    let mut wasm = module.finish();

    let mut resolve = Resolve::default();
    let package = resolve.push_str("guest.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    wasm
}
