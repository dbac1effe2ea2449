//! The Lua scripts, as `build.rs` makes them of the `.lua` files.

/// A Lua script as Redis runs it: what it uses of the files in `lua/`, and the script itself.
#[derive(Debug)]
pub(crate) struct Script {
    /// As its file is called.
    pub(crate) name: &'static str,
    /// How [`EVALSHA`](https://redis.io/docs/latest/commands/evalsha/) names it.
    pub(crate) sha1: &'static str,
    pub(crate) source: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));
