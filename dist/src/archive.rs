//! Tar files and digests that depend on nothing but their content.

use std::io;

use sha2::{Digest, Sha256};

/// One file or directory of a tar file.
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// `None` for a directory.
    pub(crate) content: Option<Vec<u8>>,
}

impl Entry {
    pub(crate) fn file(path: impl Into<String>, mode: u32, content: Vec<u8>) -> Self {
        Self { path: path.into(), mode, content: Some(content) }
    }

    pub(crate) fn directory(path: impl Into<String>, mode: u32) -> Self {
        Self { path: path.into(), mode, content: None }
    }
}

/// A tar file of these, in this order, owned by root, all of one time.
///
/// # Errors
/// A path is too long for a tar file.
pub(crate) fn tar(entries: &[Entry], time: u32) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for Entry { path, mode, content } in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(*mode);
        header.set_mtime(time.into());
        header.set_uid(0);
        header.set_gid(0);
        let content = match content {
            Some(content) => content.as_slice(),
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                &[]
            }
        };
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content)?;
    }
    archive.into_inner()
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
