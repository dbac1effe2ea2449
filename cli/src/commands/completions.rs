use program::generate::Generated;

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Fish,
    Zsh,
}

impl Shell {
    /// Its completions.
    pub(crate) fn generated(self) -> Generated {
        match self {
            Self::Bash => Generated::Bash,
            Self::Fish => Generated::Fish,
            Self::Zsh => Generated::Zsh,
        }
    }
}
