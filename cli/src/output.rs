//! What is printed: tables and sentences for people, or JSON for programs. What strangers wrote in emails cannot steer the terminal.

pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use self::table::Columns;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// JSON for programs.
    pub(crate) is_json: bool,
    pub(crate) colour: Colour,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also elsewhere.
    Always,
    /// Nowhere.
    Never,
}

/// Standard output.
pub(crate) struct Output {
    is_json: bool,
    is_coloured: bool,
    /// Of the terminal, if it is one.
    width: Option<u16>,
}

impl Output {
    pub(crate) fn new(style: Style) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_coloured = match style.colour {
            // https://no-color.org
            Colour::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Colour::Always => true,
            Colour::Never => false,
        };
        let width = is_terminal.then(|| comfy_table::Table::new().width()).flatten();
        Self { is_json: style.is_json, is_coloured, width }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// A table with these columns, for [`table`](Self::table).
    pub(crate) fn columns(&self, names: &[&str]) -> Columns {
        Columns::new(names, self.width, self.is_coloured)
    }

    /// Prints a table, unless it is empty.
    ///
    /// # Errors
    /// The output is closed.
    pub(crate) fn table(&self, table: Columns) -> io::Result<()> {
        if table.is_empty() {
            return Ok(());
        }
        writeln!(io::stdout(), "{}", table.render())
    }

    /// Prints text, without what a terminal would obey.
    ///
    /// # Errors
    /// The output is closed.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{}", text::lines(text))
    }

    /// Prints JSON: indented on a terminal, else on one line.
    ///
    /// # Errors
    /// The output is closed.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.width.is_some() { json::write_indented(&mut out, value) } else { json::write_line(&mut out, value) }
    }

    /// Prints JSON on one line, where more lines follow.
    ///
    /// # Errors
    /// The output is closed.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> io::Result<()> {
        json::write_line(&mut io::stdout().lock(), value)
    }
}

/// Prints a remark on standard error, without what a terminal would obey.
pub(crate) fn remark(text: &str) {
    eprintln!("{}", text::lines(text));
}
