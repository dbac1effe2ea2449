//! Host traits for Spin's own interfaces, generated from `wit/`.

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod wasip2 {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "fermyon:spin/host",
        imports: { default: async },
        with: { "fermyon:spin/redis.connection": crate::outbound_redis::connection::Connection },
    });
}

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod wasip3 {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "fermyon:spin/host-wasip3",
        imports: { "spin:redis/redis.[drop]connection": trappable, default: async | store },
        with: { "spin:redis/redis.connection": crate::outbound_redis::connection::Connection },
    });
}

pub(crate) use wasip2::fermyon::spin::{redis, variables};
pub(crate) use wasip3::spin::{redis::redis as redis_wasip3, variables::variables as variables_wasip3};
