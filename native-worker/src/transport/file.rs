//! Writes each email into a file.

use std::{
    fs::{File, rename},
    io::{self, Write},
    path::{Path, PathBuf},
};

use email_queue::Class;
use tokio::task::spawn_blocking;

use super::{
    open_error::OpenError,
    outcome::{Delivery, Fault, Verdict},
    outgoing::Outgoing,
};
use crate::message;

pub(crate) struct FileTransport {
    directory: PathBuf,
}

impl FileTransport {
    /// Makes the directory, and makes sure that it can be written to.
    pub(crate) async fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.to_owned();
        let opened = spawn_blocking(move || {
            std::fs::create_dir_all(&path)?;
            let probe = path.join(format!(".probe-{}", std::process::id()));
            File::create(&probe)?;
            std::fs::remove_file(&probe)
        });
        opened.await.map_err(io::Error::other).flatten().map_err(OpenError::Directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let message = message::build(outgoing.id, outgoing.email).await.to_bytes();
        let (directory, name) = (self.directory.clone(), format!("{}.eml", outgoing.id));
        // The thread continues to write when this future is dropped.
        outgoing.handoff.begin();
        let written = spawn_blocking(move || write(&directory, &name, &message)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => Delivery::all(outgoing.recipients, &Verdict::Accepted),
            // A full disk is not the email's fault.
            Err(error) => Fault::of_relay(Class::Connection, format!("cannot write the file: {error}")).into(),
        }
    }
}

/// Writes all of the file or nothing, whenever the machine stops. A second attempt writes the same file again.
fn write(directory: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(message)?;
        file.sync_all()?;
        rename(&temporary, directory.join(name))?;
        // The directory must be synced too, for the new name.
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // Fails only when there is nothing to remove.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_and_leaves_nothing_else_behind() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "1.eml", b"first").unwrap();
        write(directory.path(), "1.eml", b"second").unwrap();
        let names: Vec<_> = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["1.eml"]);
        assert_eq!(std::fs::read(directory.path().join("1.eml")).unwrap(), b"second");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_an_error_at_the_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(FileTransport::open(&file.path().join("outbox")).await, Err(OpenError::Directory(_))));
    }
}
