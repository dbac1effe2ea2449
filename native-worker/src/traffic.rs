//! What goes through a connection, and when it last did: a slow connection still carries bytes, a dead one does not.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// What was written may still lie in buffers on the way, where it moves unseen. A connection is assumed to carry at least this
/// many bytes a second.
const SLOWEST: u64 = 128 * 1024;

/// No more bytes than this are assumed to lie in buffers on the way.
const MAX_BUFFERED: u64 = 16 * 1024 * 1024;

/// A stream that counts what goes through it.
pub(crate) struct Monitored<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

/// Counts the bytes of a [`Monitored`] stream.
pub(crate) struct Traffic {
    opened: Instant,
    /// The last byte in either direction, in ms since it was opened.
    last: AtomicU64,
    /// All bytes read.
    read: AtomicU64,
    /// Bytes written since the last byte was read.
    unanswered: AtomicU64,
}

impl<S> Monitored<S> {
    pub(crate) fn new(stream: S) -> (Self, Arc<Traffic>) {
        let traffic = Arc::new(Traffic {
            opened: Instant::now(),
            last: AtomicU64::new(0),
            read: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        });
        (Self { stream, traffic: Arc::clone(&traffic) }, traffic)
    }
}

impl Traffic {
    /// How many bytes have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// When the connection counts as dead if nothing more goes through it: after `silence` while a reply is awaited since
    /// `asked`, and the time for what may lie in buffers.
    pub(crate) fn dead_at(&self, asked: Instant, silence: Duration) -> Instant {
        let last = self.opened + Duration::from_millis(self.last.load(Ordering::Relaxed));
        let buffered = self.unanswered.load(Ordering::Relaxed).min(MAX_BUFFERED);
        last.max(asked) + silence + Duration::from_millis(buffered * 1000 / SLOWEST)
    }

    fn note(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn note_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.unanswered.store(0, Ordering::Relaxed);
        self.note();
    }

    fn note_written(&self, bytes: usize) {
        self.unanswered.fetch_add(bytes as u64, Ordering::Relaxed);
        self.note();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Monitored<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.traffic.note_read(read);
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Monitored<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = poll {
            self.traffic.note_written(written);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn each_byte_in_either_direction_puts_off_the_end() {
        let (ours, mut theirs) = duplex(64);
        let (mut stream, traffic) = Monitored::new(ours);
        let asked = Instant::now();
        assert_eq!(traffic.dead_at(asked, SILENCE), asked + SILENCE);
        tokio::time::advance(Duration::from_secs(4)).await;
        theirs.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        assert_eq!(traffic.dead_at(asked, SILENCE), Instant::now() + SILENCE);
        assert_eq!(traffic.bytes_read(), 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        stream.write_all(b"x").await.unwrap();
        assert!(traffic.dead_at(asked, SILENCE) >= Instant::now() + SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_may_lie_in_buffers_until_something_is_answered() {
        let (ours, mut theirs) = duplex(2 * 1024 * 1024);
        let (mut stream, traffic) = Monitored::new(ours);
        stream.write_all(&vec![0; 1024 * 1024]).await.unwrap();
        let end = Instant::now() + SILENCE + Duration::from_secs(8);
        assert_eq!(traffic.dead_at(Instant::now(), SILENCE), end);
        theirs.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        assert_eq!(traffic.dead_at(Instant::now(), SILENCE), Instant::now() + SILENCE);
    }
}
