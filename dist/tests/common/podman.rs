//! Containers with a storage, networks and settings of their own, which leave the machine's alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{dist, path, root, run};

/// As a machine without systemd and without a file system for layers needs it; it works on others as well.
const CONTAINERS: &str = r#"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"#;

/// Podman with the images that `cargo xtask dist` has packed, and with a Redis. Dropping it removes all containers.
pub(crate) struct Podman {
    home: PathBuf,
}

impl Podman {
    /// For one test program: `name` is its own.
    pub(crate) fn start(name: &str) -> Self {
        let home = root().join("target/containers").join(name);
        let podman = Self { home };
        // What an interrupted run has left.
        podman.clean();
        fs::create_dir_all(&podman.home).unwrap();
        let folder = |name: &str| podman.home.join(name).display().to_string();
        let networks = format!("network_config_dir = \"{}\"\n", folder("networks"));
        fs::write(podman.home.join("containers.conf"), format!("{CONTAINERS}{networks}")).unwrap();
        let storage = [("driver", "vfs".to_owned()), ("graphroot", folder("graph")), ("runroot", folder("run"))];
        let storage: String = storage.iter().map(|(name, value)| format!("{name} = \"{value}\"\n")).collect();
        fs::write(podman.home.join("storage.conf"), format!("[storage]\n{storage}")).unwrap();
        for image in ["api", "worker", "catch-all"] {
            let archive = dist().join(format!("images/email-queue-{image}.oci.tar"));
            run(podman.command("podman").args(["load", "--quiet", "--input"]).arg(archive));
        }
        podman
    }

    /// A program that uses these containers.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env("CONTAINERS_CONF", self.home.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.home.join("storage.conf"))
            .stdin(Stdio::null());
        command
    }

    /// What podman prints; it must succeed.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        run(self.command("podman").args(arguments))
    }

    /// Whether podman succeeds. What it says is not shown.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> bool {
        self.command("podman").args(arguments).output().unwrap().status.success()
    }

    /// Sends a signal, such as `-KILL`, to the process of a container, as a fault would, and not as somebody who wants it gone.
    pub(crate) fn signal(&self, container: &str, signal: &str) {
        let id = self.podman(&["inspect", "--format", "{{.State.Pid}}", container]);
        run(Command::new("kill").args([signal, id.trim()]));
    }

    /// A file that is removed with the containers.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes the image of Redis that recipes name, without a registry: this machine's Redis, a shell, and their libraries. As in
    /// the real one, `/data` belongs to the user 999.
    pub(crate) fn make_redis_image(&self) {
        let files = self.home.join("redis");
        let redis = path("REDIS_SERVER", "/usr/bin/redis-server");
        let client = redis.with_file_name("redis-cli");
        let programs = [
            (redis.as_path(), "usr/bin/redis-server"),
            (client.as_path(), "usr/bin/redis-cli"),
            (Path::new("/bin/sh"), "bin/sh"),
        ];
        let put = |from: &Path, to: &str| {
            let to = files.join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        };
        for (program, to) in programs {
            put(program, to);
            let libraries = run(Command::new("ldd").arg(program));
            for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
                put(Path::new(library), library);
            }
        }
        for folder in ["data", "tmp"] {
            fs::create_dir_all(files.join(folder)).unwrap();
        }
        run(Command::new("chown").arg("999:999").arg(files.join("data")));
        run(Command::new("chmod").arg("1777").arg(files.join("tmp")));
        let archive = self.home.join("redis.tar");
        run(Command::new("tar").arg("-C").arg(&files).args(["-c", "-f"]).arg(&archive).arg("."));
        let mut import = self.command("podman");
        import.args(["import", "--quiet", "--change", "ENV PATH=/usr/bin:/bin"]).arg(&archive);
        run(import.arg("docker.io/library/redis:7"));
    }

    fn clean(&self) {
        if !self.home.join("storage.conf").exists() {
            return;
        }
        for arguments in
            [&["pod", "rm", "--force", "--all"][..], &["rm", "--force", "--all"], &["network", "prune", "--force"]]
        {
            // As much as can be removed.
            let _ = self.command("podman").args(arguments).output();
        }
        // A mount that is left would make this fail, and be seen.
        fs::remove_dir_all(&self.home).unwrap();
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.command("podman").args(["ps", "--all"]).output();
            eprintln!("{}", logs.map(|logs| String::from_utf8_lossy(&logs.stdout).into_owned()).unwrap_or_default());
        }
        self.clean();
    }
}
