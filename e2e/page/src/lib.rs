//! Tests of the web page; see `tests/page.rs`. They are apart from those of `e2e`, because the page is the same on each host: `cargo xtask
//! test page` runs them, once on the component and once on the native server.

#![forbid(unsafe_code)]
