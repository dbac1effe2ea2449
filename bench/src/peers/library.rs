//! The libraries: where each comes from, and how its program is called.

use std::path::Path;
use std::process::Command;

use super::debian;

/// A job library and our program for it.
#[derive(Debug)]
pub(super) struct Library {
    /// As its makers write it.
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// Our files, with their paths in the library's directory. The first is the program.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// The program's `MODE`, one run for each; empty for the library's default.
    pub(super) modes: &'static [&'static str],
    /// Whether the jobs in flight survive a `kill -9` of the worker; the head of each program says how.
    pub(super) survives_kill: bool,
}

/// Where a library is from. npm and cargo take the newest version at the time of the installation, within the major version
/// that the program is written for.
#[derive(Debug)]
pub(super) enum Source {
    /// npm, with these packages.
    Npm(&'static [&'static str]),
    /// pip, in a virtual environment, with this file of requirements and their hashes.
    Pip(&'static str),
    /// Cargo, by the `Cargo.toml` among the files, whose package has this name.
    Cargo(&'static str),
    /// The distribution's package, unpacked.
    Debian(&'static str),
}

/// A file of `programs/`.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("programs/", $name)))
    };
    ($path:literal from $name:literal) => {
        ($path, include_str!(concat!("programs/", $name)))
    };
}

/// All that are measured, in the order of the report.
pub(super) const LIBRARIES: &[Library] = &[
    Library {
        name: "BullMQ",
        source: Source::Npm(&["bullmq@6", "ioredis@6"]),
        files: &[file!("bullmq.mjs")],
        modes: &[""],
        survives_kill: true,
    },
    Library {
        name: "rusty-sidekiq",
        source: Source::Cargo("rusty-sidekiq-peer"),
        files: &[
            file!("src/main.rs" from "rusty_sidekiq.rs"),
            file!("Cargo.toml" from "rusty_sidekiq.toml"),
            file!("src/tally.rs" from "tally.rs"),
        ],
        modes: &[""],
        survives_kill: false,
    },
    Library {
        name: "Sidekiq",
        source: Source::Debian("ruby-sidekiq"),
        files: &[file!("sidekiq_peer.rb")],
        modes: &[""],
        survives_kill: false,
    },
    Library {
        name: "apalis-redis",
        source: Source::Cargo("apalis-peer"),
        files: &[
            file!("src/main.rs" from "apalis.rs"),
            file!("Cargo.toml" from "apalis.toml"),
            file!("src/tally.rs" from "tally.rs"),
        ],
        modes: &["", "no locks"],
        survives_kill: true,
    },
    Library {
        name: "dramatiq",
        source: Source::Pip(include_str!("programs/dramatiq.txt")),
        files: &[file!("dramatiq_peer.py"), file!("tally.py")],
        modes: &[""],
        survives_kill: true,
    },
    Library {
        name: "Celery",
        source: Source::Pip(include_str!("programs/celery.txt")),
        files: &[file!("celery_peer.py"), file!("tally.py")],
        modes: &["threads", "prefork"],
        survives_kill: false,
    },
    Library {
        name: "RQ",
        source: Source::Pip(include_str!("programs/rq.txt")),
        files: &[file!("rq_peer.py"), file!("tally.py")],
        modes: &["Worker", "SimpleWorker"],
        survives_kill: true,
    },
];

/// The API that a Node project would write, which is not among those that drain a queue.
pub(super) const HTTP_PEER: Library = Library {
    name: "fastify-BullMQ",
    source: Source::Npm(&["bullmq@6", "ioredis@6", "fastify@5"]),
    files: &[file!("fastify_bullmq.mjs")],
    modes: &[""],
    survives_kill: true,
};

/// The names of all, to be shown.
pub(super) fn names() -> String {
    let names: Vec<_> = LIBRARIES.iter().map(|library| library.name).collect();
    names.join(", ")
}

impl Library {
    /// Its name, with the mode if there is one.
    pub(super) fn name_in(&self, mode: &str) -> String {
        if mode.is_empty() { self.name.to_owned() } else { format!("{} ({mode})", self.name) }
    }

    /// Whether this is its name, in capitals or not.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Our program, without its arguments, once the library is installed in `directory`, a part of `folder`.
    pub(super) fn program(&self, directory: &Path, folder: &Path) -> Command {
        let file = self.files[0].0;
        let mut command = match self.source {
            Source::Npm(_) => interpreter("node", file),
            Source::Pip(_) => interpreter(directory.join("venv/bin/python"), file),
            Source::Debian(_) => {
                let mut ruby = debian::ruby(&directory.join("root"));
                ruby.arg(file);
                ruby
            }
            Source::Cargo(package) => Command::new(cargo_target(folder).join("release").join(package)),
        };
        command.current_dir(directory);
        command
    }
}

/// Where the Rust programs are compiled: together, as they have most dependencies in common.
pub(super) fn cargo_target(folder: &Path) -> std::path::PathBuf {
    folder.join("cargo-target")
}

fn interpreter(program: impl AsRef<std::ffi::OsStr>, file: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(file);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_library_has_a_program_and_a_mode() {
        for library in LIBRARIES {
            assert!(!library.files.is_empty() && !library.modes.is_empty(), "{}", library.name);
            assert!(library.is_called(&library.name.to_uppercase()));
        }
    }

    #[test]
    fn each_program_says_what_a_kill_does_as_the_table_does() {
        for library in LIBRARIES {
            let (_, said) = library.files[0].1.split_once("kill -9: ").unwrap_or_else(|| panic!("{}", library.name));
            let is_lost = said.lines().next().unwrap().contains("are lost");
            assert_eq!(is_lost, !library.survives_kill, "{}", library.name);
        }
    }
}
