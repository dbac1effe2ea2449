//! Standard input, read so that Ctrl-C ends a command at once: a read itself does not end.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    thread,
};

use tokio::sync::oneshot;

/// Whether somebody sits there who can be asked.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks, and returns the answer, which ends with its line. Dropped, it leaves the reading to a thread, which ends with the program.
///
/// # Errors
/// Standard input cannot be read.
pub(crate) async fn ask(question: &str) -> io::Result<String> {
    eprint!("{question} ");
    io::stderr().flush()?;
    let (answered, answer) = oneshot::channel();
    // Not one of the runtime's, which waits for its threads at the end.
    thread::Builder::new().spawn(move || {
        let mut line = String::new();
        // Nobody may wait for it any more.
        let _ = answered.send(io::stdin().lock().read_line(&mut line).map(|_| line));
    })?;
    answer.await.map_err(io::Error::other)?
}
