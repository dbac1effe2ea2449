//! Ctrl-C where a command cannot notice it: while it writes to somebody who does not read, such as `less`.

use std::{io, process, thread, time::Duration};

use signal_hook::{consts::SIGINT, iterator::Signals};

use crate::exit;

/// How long after Ctrl-C a command may take to say how far it has come.
const GRACE: Duration = Duration::from_secs(1);

/// From now on the process ends [`GRACE`] after Ctrl-C, unless the command has ended by then.
///
/// # Errors
/// The system has no room for a thread or a signal handler.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            thread::sleep(GRACE);
            process::exit(exit::INTERRUPTED.into());
        }
    })?;
    Ok(())
}
