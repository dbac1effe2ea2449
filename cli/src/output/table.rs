//! Tables for people, and for scripts that cut columns.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Row, Table, presets::NOTHING};
use email_queue::State;

use super::text;

/// A cell. Whatever a terminal would obey is taken out of its text.
pub(crate) fn cell(content: impl ToString) -> Cell {
    Cell::new(text::line(&content.to_string()))
}

/// A cell that is empty for nothing.
pub(crate) fn optional(content: Option<impl ToString>) -> Cell {
    content.map_or_else(|| Cell::new(""), cell)
}

/// A number, aligned.
pub(crate) fn number(number: impl ToString) -> Cell {
    cell(number).set_alignment(CellAlignment::Right)
}

/// A state, in its colour.
pub(crate) fn state(state: State) -> Cell {
    cell(state).fg(colour(state))
}

/// A level: 0 is good, 1 a warning, 2 a fault.
pub(crate) fn level(level: usize, name: &str) -> Cell {
    let colours = [Color::Green, Color::Yellow, Color::Red];
    cell(name).fg(colours.get(level).copied().unwrap_or(Color::Reset)).add_attribute(Attribute::Bold)
}

/// The colour of a state.
pub(crate) fn colour(state: State) -> Color {
    match state {
        State::Sent => Color::Green,
        State::Failed => Color::Red,
        State::Delayed => Color::Yellow,
        State::Queued | State::Scheduled | State::Sending => Color::Cyan,
        State::Canceled => Color::DarkGrey,
    }
}

/// Columns under their names. On a terminal each row is one line, cut off at its width.
pub(crate) struct Columns {
    table: Table,
    is_narrow: bool,
}

impl Columns {
    /// `width` is that of the terminal, `None` where there is none and nothing is to be cut off.
    pub(crate) fn new(names: &[&str], width: Option<u16>, is_coloured: bool) -> Self {
        let mut table = plain(width, is_coloured);
        if !names.is_empty() {
            table.set_header(names.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        }
        Self { table, is_narrow: width.is_some() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row = Row::from(cells.into_iter().collect::<Vec<_>>());
        if self.is_narrow {
            row.max_height(1);
        }
        self.table.add_row(row);
    }

    /// A row that may have several lines.
    pub(crate) fn tall_row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.table.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn render(self) -> String {
        let lines: Vec<_> = self.table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }
}

fn plain(width: Option<u16>, is_coloured: bool) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if is_coloured {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}
