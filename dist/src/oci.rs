//! Writes a container image as an archive of an OCI image layout, without a container engine.
//!
//! See the [layout](https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md), the
//! [manifest](https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md) and the
//! [configuration](https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md). `podman load` and `skopeo copy
//! oci-archive:` read it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::archive::{Entry, sha256, tar};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image of one layer.
pub(crate) struct Image<'a> {
    /// The name with its tag, such as `localhost/email-queue-api:0.1.0`.
    pub(crate) name: &'a str,
    /// The files.
    pub(crate) layer: &'a [Entry],
    /// How to run it: the object `config` of the configuration.
    pub(crate) config: Value,
    /// When it was created, in seconds since 1970.
    pub(crate) time: u32,
    /// The same by RFC 3339.
    pub(crate) created: &'a str,
}

/// Writes the archive.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(image: &Image<'_>, file: &Path) -> anyhow::Result<()> {
    let layer = tar(image.layer, image.time)?;
    let diff_id = sha256(&layer);
    // No file name and no time, which would make two runs differ.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(&layer)?;
    let mut blobs = Blobs(Vec::new());
    let layer = blobs.add(LAYER, gzip.finish()?);
    let config = blobs.add_json(
        CONFIG,
        &json!({
            "architecture": "amd64",
            "os": "linux",
            "created": image.created,
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
            "history": [{"created": image.created, "created_by": "cargo xtask dist"}],
        }),
    );
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let mut manifest = blobs.add_json(MANIFEST, &manifest);
    // The first is for podman, the second for Docker.
    manifest["annotations"] =
        json!({"org.opencontainers.image.ref.name": image.name, "io.containerd.image.name": image.name});
    manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});

    let Blobs(mut entries) = blobs;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let head = [
        Entry::file("oci-layout", 0o644, json!({"imageLayoutVersion": "1.0.0"}).to_string().into()),
        Entry::file("index.json", 0o644, index.to_string().into()),
        Entry::directory("blobs/", 0o755),
        Entry::directory("blobs/sha256/", 0o755),
    ];
    let entries: Vec<_> = head.into_iter().chain(entries).collect();
    fs::write(file, tar(&entries, image.time)?).with_context(|| format!("cannot write {}", file.display()))
}

/// The files of a layout that are named by their digest.
struct Blobs(Vec<Entry>);

impl Blobs {
    /// Adds one and returns its descriptor.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let (digest, size) = (sha256(&content), content.len());
        self.0.push(Entry::file(format!("blobs/sha256/{digest}"), 0o644, content));
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
    }

    fn add_json(&mut self, media_type: &str, content: &Value) -> Value {
        self.add(media_type, content.to_string().into())
    }
}
