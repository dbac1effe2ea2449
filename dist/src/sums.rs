//! The checksums of all files, as `sha256sum --check` reads them.

use std::fs;
use std::path::Path;

use crate::archive::sha256;

/// The file with the checksums.
pub(crate) const FILE: &str = "SHA256SUMS";

/// Writes `SHA256SUMS` and returns the files with their sizes in bytes, in the same order.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn write(out: &Path) -> anyhow::Result<Vec<(String, usize)>> {
    let mut files = Vec::new();
    find(out, "", &mut files)?;
    files.sort();
    let (mut sums, mut sizes) = (String::new(), Vec::new());
    for file in files {
        let content = fs::read(out.join(&file))?;
        sums.push_str(&format!("{}  {file}\n", sha256(&content)));
        sizes.push((file, content.len()));
    }
    fs::write(out.join(FILE), sums)?;
    Ok(sizes)
}

fn find(folder: &Path, before: &str, files: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            find(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
