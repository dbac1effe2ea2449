//! Lists the files of the page with their media types and entity tags, so that nothing is computed per request.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use sha1::{Digest, Sha1};

const FOLDER: &str = "static";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(FOLDER);
    let mut paths = Vec::new();
    list(&root, &mut paths)?;
    paths.sort();
    let mut generated = String::from("&[\n");
    for path in &paths {
        let name = path.strip_prefix(&root)?.to_str().ok_or("a file's name is not UTF-8")?;
        let media_type = media_type(name).ok_or_else(|| format!("{name}: no media type is known for it"))?;
        let digest = Sha1::digest(fs::read(path)?);
        let tag: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        writeln!(
            generated,
            "File {{ path: {name:?}, media_type: {media_type:?}, etag: \"\\\"{tag}\\\"\", content: include_bytes!({path:?}) }},"
        )?;
    }
    generated.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), generated)?;
    Ok(())
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, paths)? } else { paths.push(path) }
    }
    Ok(())
}

fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
