//! Host traits for Spin's own interfaces, generated from `wit/`.

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "fermyon:spin/host",
        imports: { default: async },
        with: { "fermyon:spin/redis.connection": crate::outbound_redis::Connection },
    });
}

pub(crate) use generated::fermyon::spin::{redis, variables};
