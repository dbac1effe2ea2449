//! One HTTP/1.1 connection that posts one request after the other, and notes when.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::api_host::KEY;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection that stays open.
pub(crate) struct HttpClient {
    stream: BufReader<TcpStream>,
    host: String,
}

/// When a request was sent, and when the last byte of its answer had been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

impl HttpClient {
    /// # Errors
    /// Nobody listens at this host and port.
    pub(crate) fn connect(address: &str) -> anyhow::Result<HttpClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(HttpClient { stream: BufReader::new(stream), host: address.to_owned() })
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// The answer is not a 2xx of a known length, or does not come.
    pub(crate) fn post(&mut self, path: &str, json: &str) -> anyhow::Result<Times> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.host,
            json.len()
        );
        let sent = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("the API does not say how long its answer is")?];
        self.stream.read_exact(&mut body)?;
        let answered = Instant::now();
        let accepted = status.split(' ').nth(1).is_some_and(|code| code.starts_with('2'));
        ensure!(accepted, "the API answers {status}: {}", String::from_utf8_lossy(&body));
        Ok(Times { sent, answered })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the API has closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers whatever comes with each of these texts in turn.
    fn answering(answers: &'static [&'static str]) -> HttpClient {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            for answer in answers {
                let mut request = [0; 1000];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        HttpClient::connect(&address).unwrap()
    }

    #[test]
    fn answers_are_read_to_their_end() {
        let mut client = answering(&[
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"id\":\"12\"}",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}",
        ]);
        let first = client.post("/emails", "{}").unwrap();
        let second = client.post("/emails", "{}").unwrap();
        assert!(first.sent <= first.answered && first.answered <= second.sent);
    }

    #[test]
    fn a_refusal_is_an_error_that_says_why() {
        let mut client = answering(&["HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nfull"]);
        let error = client.post("/emails", "{}").unwrap_err().to_string();
        assert!(error.contains("429") && error.contains("full"), "{error}");
    }
}
