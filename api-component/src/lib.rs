//! The HTTP API as a Spin component.
//!
//! - `wasip2`, `wasip3`: the entry points that Spin calls. A feature of the same name chooses one;
//! - `client`: what Spin's headers say of the client;
//! - `node_url`: where another node of a Redis Cluster is;
//! - `spin_redis`: the errors of Spin's outbound Redis, in the same words for both;
//! - `stderr_log`: log lines.

#[cfg(any(target_arch = "wasm32", test))]
mod client;
#[cfg(any(target_arch = "wasm32", test))]
mod node_url;
#[cfg(any(target_arch = "wasm32", test))]
mod spin_redis;
#[cfg(target_arch = "wasm32")]
mod stderr_log;
#[cfg(all(target_arch = "wasm32", feature = "wasip2"))]
mod wasip2;
#[cfg(all(target_arch = "wasm32", feature = "wasip3"))]
mod wasip3;

#[cfg(all(target_arch = "wasm32", feature = "wasip2", feature = "wasip3"))]
compile_error!("a component has one entry point: build the other with --no-default-features --features wasip3");
