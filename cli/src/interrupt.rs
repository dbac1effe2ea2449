//! Ctrl-C: noticed by a command, or else the end of what cannot notice it, as it writes to somebody who does not read, such as `less`.

use std::{
    io, process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use signal_hook::{consts::SIGINT, iterator::Signals};

use crate::exit;

/// How long after Ctrl-C a command may take to notice it.
const TO_NOTICE: Duration = Duration::from_secs(1);

/// How long it may then take to say how far it has come.
const TO_TELL: Duration = Duration::from_secs(10);

static NOTICED: AtomicBool = AtomicBool::new(false);

/// From now on the process ends a second after Ctrl-C, unless the command has noticed it by then.
///
/// # Errors
/// The system has no room for a thread or a signal handler.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            thread::sleep(TO_NOTICE);
            if NOTICED.load(Ordering::Relaxed) {
                thread::sleep(TO_TELL);
            }
            process::exit(exit::INTERRUPTED.into());
        }
    })?;
    Ok(())
}

/// Waits for Ctrl-C. Whoever waits for it ends the command soon.
pub(crate) async fn ctrl_c() {
    // If it cannot be waited for, `watch` ends the process.
    match tokio::signal::ctrl_c().await {
        Ok(()) => NOTICED.store(true, Ordering::Relaxed),
        Err(_) => std::future::pending().await,
    }
}
