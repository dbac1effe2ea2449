//! Whether the worker works, for health checks: as a file, so that no port is needed, and over HTTP where that is asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{interval, timeout};

/// How often the file is written.
const PAUSE: Duration = Duration::from_secs(1);

/// A worker that has not written its file for so long is stuck. What it waits for does not count: Redis, any of its nodes, or
/// the relay. A drain, during which the file is not written, takes less.
const STUCK: Duration = Duration::from_secs(30);

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for Redis, and checks it.
    Starting,
    /// It delivers.
    Working,
    /// It claims no more emails.
    Stopping,
}

/// Whether the worker works. Writes the file, if there is to be one.
#[derive(Debug)]
pub(crate) struct Health {
    file: Option<PathBuf>,
    failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When it last showed that it works.
    shown: Instant,
}

impl Health {
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        let state = Mutex::new(State { phase: Phase::Starting, shown: Instant::now() });
        Self { file, failed: AtomicBool::new(false), state }
    }

    /// The worker has come to its next phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.state().phase = phase;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Whether the worker has shown lately that it works. One that stops ends by itself.
    pub(crate) fn is_alive(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Stopping || state.shown.elapsed() <= STUCK
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows that the worker works, and writes the file. That it cannot be written is logged once; a disk that hangs does not hold up the caller.
    pub(crate) async fn write(&self) {
        self.state().shown = Instant::now();
        let Some(file) = &self.file else { return };
        let written = timeout(PAUSE, tokio::fs::write(file, b"")).await;
        let fault = match written {
            Ok(Ok(())) => return self.failed.store(false, Ordering::Relaxed),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk does not answer".to_owned(),
        };
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(file = %file.display(), error = fault, "the health file cannot be written: health checks will fail");
        }
    }

    /// Writes the file again and again until a future ends. Cancelled with it.
    pub(crate) async fn write_during<T>(&self, future: impl Future<Output = T>) -> T {
        let mut again = interval(PAUSE);
        tokio::pin!(future);
        loop {
            tokio::select! {
                ended = &mut future => return ended,
                _ = again.tick() => self.write().await,
            }
        }
    }
}

/// The exit code of a health check; what is wrong is printed.
pub(crate) fn check(file: Option<&Path>) -> ExitCode {
    let Some(file) = file else {
        eprintln!("native-worker: --check-health needs --health-file or EMAIL_QUEUE_HEALTH_FILE");
        return ExitCode::from(program::USAGE);
    };
    match fs::metadata(file).and_then(|metadata| metadata.modified()) {
        // A time in the future is that of a clock that was set back.
        Ok(written) if written.elapsed().is_ok_and(|age| age > STUCK) => {
            eprintln!("native-worker: {} was last written more than {} s ago", file.display(), STUCK.as_secs());
        }
        Ok(_) => return ExitCode::SUCCESS,
        Err(error) => eprintln!("native-worker: cannot read {}: {error}", file.display()),
    }
    ExitCode::FAILURE
}
