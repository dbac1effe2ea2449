//! Gives the component the memory that a request needs from the start.

use std::env;

/// In bytes: 1 MiB of stack, 0.4 MiB of constants, and the rest for the heap.
///
/// Under WASI 0.2 every request has an instance of its own, and each time the memory of one grows, the host has to change
/// what the processors may reach: two system calls that interrupt the other processors. Memory that is there but is not
/// touched costs nothing. A large request still grows it.
const INITIAL_MEMORY: usize = 2 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={INITIAL_MEMORY}");
    }
}
