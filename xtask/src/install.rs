//! What `cargo xtask` installs where it is missing.
//!
//! - [`apt`]: Debian packages;
//! - [`wasm_toolchain`]: a compiler for the component; [`redis`]: a Redis server;
//! - [`test_tools`], [`clients`], [`browser`], [`containers`]: what only the tests need; [`bench_tools`]: what only the benches need;
//!   [`postfix`], [`nginx`], [`haproxy`], [`prometheus`]: servers for either, [`unpacked`] and not installed.

pub(crate) mod apt;
pub(crate) mod bench_tools;
pub(crate) mod browser;
pub(crate) mod clients;
pub(crate) mod containers;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod postfix;
pub(crate) mod prometheus;
pub(crate) mod redis;
pub(crate) mod test_tools;
pub(crate) mod unpacked;
pub(crate) mod wasm_toolchain;
