//! A mail server that takes everything and notes when a delivery begins: when the command `MAIL` has arrived.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A listening server. Its threads end with the connections that others have to it, or with this process.
pub(crate) struct SmtpAcceptor {
    pub(crate) address: SocketAddr,
    begun: Receiver<Instant>,
}

impl SmtpAcceptor {
    /// # Errors
    /// No port is free.
    pub(crate) fn start() -> anyhow::Result<SmtpAcceptor> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, begun) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                // The worker reports a broken connection.
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Ok(SmtpAcceptor { address, begun })
    }

    /// When the next delivery began.
    ///
    /// # Errors
    /// None has within `limit`.
    pub(crate) fn next(&self, limit: Duration) -> anyhow::Result<Instant> {
        self.begun.recv_timeout(limit).with_context(|| format!("no delivery within {} s", limit.as_secs()))
    }
}

fn serve(mut stream: TcpStream, begun: &Sender<Instant>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 bench ESMTP\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let arrived = Instant::now();
        let reply: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "MAIL" => {
                // Fails when the measurement has ended.
                let _ = begun.send(arrived);
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                skip_message(&mut lines)?;
                b"250 taken\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply)?;
    }
}

/// Reads to the line that is a single dot.
fn skip_message(lines: &mut impl BufRead) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 || line == b".\r\n" {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_begins_with_mail_and_a_message_may_look_like_one() {
        let acceptor = SmtpAcceptor::start().unwrap();
        let mut stream = TcpStream::connect(acceptor.address).unwrap();
        let before = Instant::now();
        let dialog = "EHLO me\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nMAIL: x\r\n..\r\n.\r\nQUIT\r\n";
        stream.write_all(dialog.as_bytes()).unwrap();
        let replies: Vec<_> = BufReader::new(stream).lines().map(|line| line.unwrap()[..3].to_owned()).collect();
        assert_eq!(replies, ["220", "250", "250", "250", "354", "250", "221"]);
        assert!(acceptor.next(Duration::from_secs(10)).unwrap() >= before);
        assert!(acceptor.next(Duration::ZERO).is_err());
    }
}
