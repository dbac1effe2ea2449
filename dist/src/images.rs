//! What is in the container images: one static program and what it reads. There is no shell and no package manager.

use std::fs;

use anyhow::Context;
use serde_json::{Value, json};

use crate::archive::Entry;
use crate::cli::{Options, PROGRAMS, VERSION};
use crate::oci::{self, Image};

/// The user and group of the process, by number: Kubernetes can only see of a number that it is not root's.
const USER: &str = "65532:65532";

/// Writes `images/email-queue-*.oci.tar`.
pub(crate) fn pack(options: &Options) -> anyhow::Result<()> {
    let folder = options.out.join("images");
    fs::create_dir_all(&folder)?;
    let certificates = fs::read(&options.certificates).with_context(|| {
        format!("cannot read {}: install ca-certificates or pass --certificates", options.certificates.display())
    })?;
    let created = options.created()?;
    // Operators run `emailq` on their own machines.
    for program in PROGRAMS.into_iter().filter(|program| *program != "emailq") {
        let short = program.trim_start_matches("native-");
        let name = format!("localhost/email-queue-{short}:{VERSION}");
        let content = fs::read(options.programs.join(program))?;
        let image = Image {
            name: &name,
            layer: &layer(program, content, &certificates),
            config: config(options, program, short),
            time: options.time,
            created: &created,
        };
        oci::write(&image, &folder.join(format!("email-queue-{short}.oci.tar")))?;
    }
    Ok(())
}

fn layer(program: &str, content: Vec<u8>, certificates: &[u8]) -> Vec<Entry> {
    let text = |path: &str, text: &str| Entry::file(path, 0o644, text.into());
    let directories = ["etc/", "etc/ssl/", "etc/ssl/certs/", "usr/", "usr/local/", "usr/local/bin/"];
    let mut entries: Vec<_> = directories.into_iter().map(|path| Entry::directory(path, 0o755)).collect();
    entries.extend([
        text("etc/group", "root:x:0:\nnonroot:x:65532:\n"),
        // The order of glibc without this file depends on its version.
        text("etc/nsswitch.conf", "hosts: files dns\n"),
        text("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"),
        Entry::file("etc/ssl/certs/ca-certificates.crt", 0o644, certificates.to_vec()),
        // Where recipes mount a file system for the health file: the root is read-only.
        Entry::directory("tmp/", 0o1777),
        Entry::file(format!("usr/local/bin/{program}"), 0o755, content),
    ]);
    entries
}

fn config(options: &Options, program: &str, short: &str) -> Value {
    let mut environment = vec!["PATH=/usr/local/bin".to_owned()];
    let mut config = json!({
        "User": USER,
        "Entrypoint": [format!("/usr/local/bin/{program}")],
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
        "Labels": {
            "org.opencontainers.image.title": format!("email-queue-{short}"),
            "org.opencontainers.image.version": VERSION,
            "org.opencontainers.image.revision": options.commit,
            "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        },
    });
    match short {
        "api" => {
            environment.push("EMAIL_QUEUE_LISTEN=0.0.0.0:3000".to_owned());
            config["ExposedPorts"] = json!({"3000/tcp": {}});
        }
        "catch-all" => config["ExposedPorts"] = json!({"2525/tcp": {}}),
        _ => {}
    }
    config["Env"] = environment.into();
    config
}
