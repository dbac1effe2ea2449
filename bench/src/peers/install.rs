//! Puts the libraries into our folder: `folder/NAME`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use super::debian;
use super::library::{Library, Source, cargo_target};

/// Left in a directory whose content is complete, with what it was made of.
const STAMP: &str = "installed";

/// How long a step may take. Compiling takes the longest: minutes on two cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Where a library is installed.
pub(super) fn directory(library: &Library, folder: &Path) -> PathBuf {
    folder.join(library.name.to_lowercase())
}

/// Installs a library, unless it is there already, and writes our files beside it.
///
/// # Errors
/// The package manager is missing or fails, with the end of its output.
pub(super) fn install(library: &Library, folder: &Path, progress: &dyn Fn(&str)) -> anyhow::Result<()> {
    let (directory, recipe) = (directory(library, folder), recipe(library));
    if fs::read_to_string(directory.join(STAMP)).is_ok_and(|stamp| stamp == recipe) {
        return write_files(library, &directory);
    }
    progress(&format!("{}: installing", library.name));
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    write_files(library, &directory)?;
    let step = |command: &mut Command| harness::run(command.current_dir(&directory), LIMIT).map(drop);
    match library.source {
        Source::Npm(packages) => {
            // Without a package.json here, npm would install into a parent that has one.
            step(Command::new("npm").args(["init", "--yes"]))?;
            // Their install scripts only fetch or compile what they also have in JavaScript.
            step(Command::new("npm").args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).args(packages))?;
        }
        Source::Pip(requirements) => {
            step(Command::new(python()?).args(["-m", "venv", "venv"]))?;
            fs::write(directory.join("requirements.txt"), requirements).context("cannot write the requirements")?;
            let pip =
                ["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt"];
            step(Command::new(directory.join("venv/bin/python")).args(pip))?;
        }
        Source::Cargo(_) => {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let target = cargo_target(folder);
            let mut build = Command::new(cargo);
            build.args(["build", "--release", "--target-dir"]).arg(target).env_remove("CARGO_BUILD_TARGET");
            step(&mut build)?;
        }
        Source::Debian(package) => debian::unpack(package, &directory, LIMIT)?,
    }
    fs::write(directory.join(STAMP), recipe).context("cannot leave the stamp")
}

/// What an installation is made of. Only a compiled program has to be made anew when it changes.
fn recipe(library: &Library) -> String {
    let mut recipe = format!("{:?}", library.source);
    if matches!(library.source, Source::Cargo(_)) {
        library.files.iter().for_each(|(_, content)| recipe.push_str(content));
    }
    recipe
}

fn write_files(library: &Library, directory: &Path) -> anyhow::Result<()> {
    for (path, content) in library.files {
        let path = directory.join(path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A Python that can make virtual environments. The one that comes first on the `PATH` may lack pip.
fn python() -> anyhow::Result<&'static str> {
    for python in ["python3", "/usr/bin/python3"] {
        let check = Command::new(python).args(["-c", "import ensurepip, venv"]).output();
        if check.is_ok_and(|output| output.status.success()) {
            return Ok(python);
        }
    }
    bail!("there is no Python 3 with its module venv")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Library = Library {
        name: "None",
        source: Source::Npm(&["none@1"]),
        files: &[("src/program.mjs", "first")],
        modes: &[""],
        survives_kill: true,
    };

    #[test]
    fn what_is_installed_is_used_again_with_the_program_of_today() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(&LIBRARY, folder.path());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(STAMP), recipe(&LIBRARY)).unwrap();
        install(&LIBRARY, folder.path(), &|step| panic!("{step}")).unwrap();
        assert_eq!(fs::read_to_string(directory.join("src/program.mjs")).unwrap(), "first");
    }

    #[test]
    fn an_installation_is_made_anew_when_its_packages_change_and_a_compiled_one_when_its_program_does() {
        let npm = |packages, program| Library { source: Source::Npm(packages), files: program, ..LIBRARY };
        let cargo = |program| Library { source: Source::Cargo("none"), files: program, ..LIBRARY };
        let (first, second): (&[_], &[_]) = (&[("main", "first")], &[("main", "second")]);
        assert_eq!(recipe(&npm(&["none@1"], first)), recipe(&npm(&["none@1"], second)));
        assert_ne!(recipe(&npm(&["none@1"], first)), recipe(&npm(&["none@2"], first)));
        assert_ne!(recipe(&cargo(first)), recipe(&cargo(second)));
    }
}
