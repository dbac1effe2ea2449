//! Where things are: the checkout, what is built in it, and programs on the `PATH`.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The application with the component for WASI 0.2.
pub(crate) const WASIP2_MANIFEST: &str = "spin.toml";

/// The application with the component for WASI 0.3.
pub(crate) const WASIP3_MANIFEST: &str = "spin-wasip3.toml";

/// The program that takes emails from Redis and sends them.
pub(crate) const WORKER: &str = "native-worker";

/// The program that serves the API where there is no Spin.
pub(crate) const DEV_HOST: &str = "dev-host";

/// The program that serves the API natively.
pub(crate) const NATIVE_API: &str = "native-api";

/// The package with the tests of the web page.
pub(crate) const PAGE_TESTS: &str = "e2e-page";

/// The package that packs what people download, and tests the recipes.
pub(crate) const DIST: &str = "dist";

/// How a native program is compiled: a profile of `Cargo.toml`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// To run fast.
    Release,
    /// To be compiled fast.
    Quick,
}

impl Profile {
    /// Its name in cargo, and that of its directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Quick => "quick",
        }
    }
}

/// The checkout that this xtask belongs to.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that `cargo xtask` was called in, or else the one that it was compiled in.
    pub(crate) fn locate() -> Workspace {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let mut root = PathBuf::from(manifest_dir);
        root.pop();
        Workspace { root }
    }

    /// Another checkout.
    pub(crate) fn at(root: PathBuf) -> Workspace {
        Workspace { root }
    }

    /// The directory of the workspace's `Cargo.toml` and of `spin.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory. `spin.toml` names the component in it, so it cannot be elsewhere
    /// and `CARGO_TARGET_DIR` is not followed.
    pub(crate) fn target_dir(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The component, where `spin.toml` says.
    pub(crate) fn wasm(&self) -> PathBuf {
        self.target_dir().join("wasm32-wasip1/release/api_component.wasm")
    }

    /// The component of the web page, where both manifests say.
    pub(crate) fn dashboard_wasm(&self) -> PathBuf {
        self.target_dir().join("wasm32-wasip1/release/dashboard_component.wasm")
    }

    /// The application with the component that the API is measured beside.
    pub(crate) fn ceiling_manifest(&self) -> PathBuf {
        self.root.join("bench/ceiling/spin.toml")
    }

    /// Cargo's target directory for the component for WASI 0.3, so that it does not overwrite the other.
    pub(crate) fn wasip3_target_dir(&self) -> PathBuf {
        self.target_dir().join("wasip3")
    }

    /// The component for WASI 0.3, where `spin-wasip3.toml` says.
    pub(crate) fn wasm_wasip3(&self) -> PathBuf {
        self.wasip3_target_dir().join("wasm32-wasip1/release/api_component.wasm")
    }

    /// A native program.
    pub(crate) fn binary(&self, name: &str, profile: Profile) -> PathBuf {
        self.target_dir().join(profile.name()).join(name)
    }

    /// One of the Spin application's manifests.
    pub(crate) fn manifest(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where a tool is installed that only the tests need.
    pub(crate) fn test_tool(&self, name: &str) -> PathBuf {
        self.target_dir().join("test-tools").join(name)
    }

    /// Where a tool is put that only `cargo xtask bench` needs.
    pub(crate) fn bench_tool(&self, name: &str) -> PathBuf {
        self.target_dir().join("bench-tools").join(name)
    }

    /// A path as it reads best in a message: without the part that leads to the checkout.
    pub(crate) fn short<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// The cargo that runs us, in the checkout, as if called from a shell.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.target_dir());
        forget_cargo_run(&mut command);
        command
    }
}

/// Takes away what `cargo run` has set for xtask: it describes this package, and build scripts that
/// look at it would run again on each change between `cargo build` and `cargo xtask build`.
fn forget_cargo_run(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// The first executable file of this name on the `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_executable(file))
}

/// Whether this is a file that someone may execute.
pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_the_path_is_found_and_another_is_not() {
        assert!(is_executable(&find_program("sh").unwrap()));
        assert_eq!(find_program("no-such-program-anywhere"), None);
    }

    #[test]
    fn paths_in_the_checkout_are_shown_without_the_way_to_it() {
        let workspace = Workspace { root: "/home/me/queue".into() };
        assert_eq!(
            workspace.short(&workspace.binary(WORKER, Profile::Release)).to_string(),
            "target/release/native-worker"
        );
        assert_eq!(workspace.short(Path::new("/usr/bin/redis-server")).to_string(), "/usr/bin/redis-server");
    }
}
