//! What packages of a program contain beside it: its man page, and the completions of shells.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Command;
use clap_complete::Shell;

/// What can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Generated {
    /// The man page, for section 1.
    Man,
    /// Completions of bash.
    Bash,
    /// Completions of fish.
    Fish,
    /// Completions of zsh.
    Zsh,
}

impl Generated {
    /// Prints it for a program with these flags, and returns the exit code for that.
    pub fn print(self, command: Command) -> ExitCode {
        let mut text = Vec::new();
        match self.write(command, &mut text).and_then(|()| io::stdout().write_all(&text)) {
            Ok(()) => ExitCode::SUCCESS,
            // The output is closed.
            Err(_) => ExitCode::FAILURE,
        }
    }

    fn write(self, mut command: Command, text: &mut Vec<u8>) -> io::Result<()> {
        let name = command.get_name().to_owned();
        let shell = match self {
            Self::Man => return clap_mangen::Man::new(command).render(text),
            Self::Bash => Shell::Bash,
            Self::Fish => Shell::Fish,
            Self::Zsh => Shell::Zsh,
        };
        clap_complete::generate(shell, &mut command, name, text);
        Ok(())
    }
}
