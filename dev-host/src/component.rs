//! A `.wasm` file made into a compiled component.

use std::{
    env,
    fs::File,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use anyhow::{Context, bail};
use tracing::debug;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmtime::{
    Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store, component::Component,
};
use wit_component::ComponentEncoder;

/// The environment variable for the maximum number of instances. There is no queue: a request beyond
/// it gets a 500. Name, default and the use in [`pool`] are Spin's:
/// <https://github.com/spinframework/spin/blob/main/crates/core/src/lib.rs>.
const MAX_INSTANCES: &str = "SPIN_MAX_INSTANCE_COUNT";

/// The environment variable for the maximum memory of an instance in bytes. Growing beyond it fails, which ends most
/// programs. Without it, the limit is Wasm's address space.
const MAX_MEMORY: &str = "SPIN_MAX_INSTANCE_MEMORY";

/// What bounds the instances of all components.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    instances: u32,
    memory: Option<usize>,
}

impl Limits {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is not a number.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Ok(Self { instances: number(MAX_INSTANCES)?.unwrap_or(1000), memory: number(MAX_MEMORY)? })
    }
}

fn number<T: FromStr>(variable: &str) -> anyhow::Result<Option<T>> {
    let Some(text) = env::var_os(variable) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.map(Some).with_context(|| format!("{variable} is not a number"))
}

/// The compiler and runtime that all components share.
pub(crate) struct Engine {
    /// wasmtime's part.
    pub(crate) wasmtime: wasmtime::Engine,
}

impl Engine {
    /// Sets up wasmtime: instances come from a pool, compiled code from the user's cache.
    pub(crate) fn new(limits: Limits) -> anyhow::Result<Self> {
        let mut config = Config::new();
        // What WASI 0.3 is built on.
        config.wasm_component_model_async(true);
        // Spin can interrupt a request by this, and it makes the code slightly slower.
        config.epoch_interruption(true);
        match Cache::new(cache_config()) {
            Ok(cache) => {
                config.cache(Some(cache));
            }
            // For example, there is no home folder. Then every start compiles.
            Err(error) => debug!("compiled components are not cached: {error}"),
        }
        let wasmtime = wasmtime::Engine::new(config.clone().allocation_strategy(pool(limits))).or_else(|error| {
            // The pool reserves much address space, which some containers limit.
            debug!("instances are allocated on demand: {error}");
            wasmtime::Engine::new(&config)
        });
        Ok(Self { wasmtime: wasmtime.map_err(anyhow::Error::from).context("cannot set up wasmtime")? })
    }

    /// Reads and compiles the component at `path`.
    pub(crate) fn load(&self, path: &Path) -> anyhow::Result<Component> {
        let cannot_read = || format!("cannot read {}", path.display());
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is not there: run `cargo xtask build`", path.display())
            }
            file => file.with_context(cannot_read)?,
        };
        // Of hosts that start together, one compiles, and the others find the result in the cache.
        file.lock().with_context(cannot_read)?;
        let mut wasm = Vec::new();
        file.read_to_end(&mut wasm).with_context(cannot_read)?;
        let component = componentize(wasm).with_context(|| format!("cannot componentize {}", path.display()))?;
        Component::new(&self.wasmtime, component)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("cannot compile {}", path.display()))
    }
}

/// A store for an instance that may take as long as it likes.
pub(crate) fn store<T>(engine: &wasmtime::Engine, state: T) -> Store<T> {
    let mut store = Store::new(engine, state);
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

fn cache_config() -> CacheConfig {
    let mut config = CacheConfig::new();
    // Else wasmtime compresses what was often used once more, beside a request, with 180 MB of memory that look like those of the request.
    config.with_optimized_compression_usage_counter_threshold(u64::MAX);
    config
}

fn pool(limits: Limits) -> InstanceAllocationStrategy {
    let Limits { instances, memory } = limits;
    let mut pool = PoolingAllocationConfig::new();
    if let Some(bytes) = memory {
        pool.max_memory_size(bytes);
    }
    pool.total_component_instances(instances)
        .total_memories(instances)
        .total_tables(2 * instances)
        .total_stacks(instances)
        .total_core_instances(4 * instances)
        .table_elements(100_000)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(512 << 10);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Makes a component of a core module built for `wasm32-wasip1`, the way Spin does; a component is returned as it is.
fn componentize(wasm: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if is_component(&wasm) {
        return Ok(wasm);
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&wasm)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()
}

/// Tells a component from a core module by the layer field of its preamble:
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#component-definitions>.
fn is_component(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm") && wasm.get(6..8) == Some(&[1, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component: a preamble and nothing else.
    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    /// The smallest core module.
    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn a_component_is_used_as_it_is() {
        assert_eq!(componentize(EMPTY_COMPONENT.to_vec()).unwrap(), EMPTY_COMPONENT);
    }

    #[test]
    fn a_core_module_becomes_a_component() {
        assert!(is_component(&componentize(EMPTY_MODULE.to_vec()).unwrap()));
    }

    #[test]
    fn what_is_not_wasm_is_refused() {
        assert!(componentize(b"not wasm".to_vec()).is_err());
        assert!(componentize(Vec::new()).is_err());
    }

    #[test]
    fn a_missing_file_says_how_to_build_it() {
        let error = Engine::new(Limits { instances: 1, memory: None })
            .unwrap()
            .load(Path::new("/nonexistent/api.wasm"))
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "/nonexistent/api.wasm is not there: run `cargo xtask build`");
    }
}
