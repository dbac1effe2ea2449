//! Children lead process groups of their own, so a Ctrl-C at the terminal reaches this process alone.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::process::kill_all;

/// From now on SIGINT, SIGTERM and SIGHUP kill all children, call `clean_up` and end this process with the exit code
/// 128 + signal, as a shell reports it. Only the first call has an effect.
///
/// # Errors
/// The system refuses the signal handlers.
pub fn end_children_with_us(clean_up: impl FnOnce() + Send + 'static) -> io::Result<()> {
    static IS_SET_UP: AtomicBool = AtomicBool::new(false);
    if IS_SET_UP.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        // Held until the end, so that no other thread starts a child.
        let _no_more = kill_all();
        clean_up();
        std::process::exit(128 + signal);
    });
    Ok(())
}
