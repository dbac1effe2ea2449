//! How far a long command has come, on standard error where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many emails.
pub(crate) fn of(emails: u64) -> ProgressBar {
    let bar = styled(ProgressBar::new(emails), "{msg} {wide_bar} {human_pos}/{human_len}, {per_sec}, {eta} left");
    bar.tick();
    bar
}

/// A bar for a file of so many bytes.
pub(crate) fn of_bytes(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    styled(bar, "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left")
}

/// A count, where nobody knows of how many.
pub(crate) fn uncounted() -> ProgressBar {
    let bar = ProgressBar::no_length();
    bar.enable_steady_tick(Duration::from_millis(200));
    styled(bar, "{msg} {spinner} {human_pos}, {per_sec}")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
