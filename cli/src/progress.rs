//! How far a long command has come, on standard error where that is a terminal.

use std::{fmt, time::Duration};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar for so many emails.
pub(crate) fn of(emails: u64) -> ProgressBar {
    let bar = styled(ProgressBar::new(emails), "{msg} {wide_bar} {human_pos}/{human_len}, {rate}, {eta} left");
    bar.tick();
    bar
}

/// A bar for a file of so many bytes.
pub(crate) fn of_bytes(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    styled(bar, "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left")
}

/// A count of emails, where nobody knows of how many.
pub(crate) fn uncounted() -> ProgressBar {
    let bar = ProgressBar::no_length();
    bar.enable_steady_tick(Duration::from_millis(200));
    styled(bar, "{msg} {spinner} emails: {human_pos}, {rate}")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

/// `{per_sec}` has decimals.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // It is shown again soon.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}
