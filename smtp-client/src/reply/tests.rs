use proptest::prelude::*;

use super::*;

async fn read(mut bytes: &[u8]) -> Result<Reply, SessionError> {
    Reply::read(&mut bytes, &Secrets::default()).await
}

#[tokio::test]
async fn an_answer_has_a_code_and_lines() {
    let reply = read(b"250-relay.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n").await.unwrap();
    assert_eq!(reply.code, 250);
    assert_eq!(reply.lines, ["relay.example", "SIZE 1000", "STARTTLS"]);
    assert_eq!(read(b"550 5.1.1 no such user\r\n").await.unwrap().to_string(), "550 5.1.1 no such user");
    assert_eq!(read(b"354\r\n").await.unwrap().to_string(), "354");
}

#[tokio::test]
async fn text_in_any_encoding_does_not_hide_the_code() {
    assert_eq!(read(b"250 angenommen f\xFCr Sie\r\n").await.unwrap().code, 250);
}

#[tokio::test]
async fn an_answer_counts_by_its_code_however_long_its_line_is() {
    let mut stream = [b"250 ".as_slice(), &[b'x'; 20_000], b"\r\n220 next\r\n"].concat();
    let mut stream = stream.as_mut_slice() as &[u8];
    let reply = Reply::read(&mut stream, &Secrets::default()).await.unwrap();
    assert_eq!((reply.code, reply.lines[0].len(), reply.unfinished), (250, KEPT_TEXT, false));
    assert_eq!(Reply::read(&mut stream, &Secrets::default()).await.unwrap().code, 220);
}

#[tokio::test]
async fn an_answer_without_end_counts_and_ends_the_session() {
    let endless_line = [b"250 ".as_slice(), &[b'x'; 2 * MAX_REPLY]].concat();
    let endless_lines = b"250-more\r\n".repeat(MAX_REPLY / 5);
    for bytes in [endless_line, endless_lines] {
        let reply = read(&bytes).await.unwrap();
        assert_eq!((reply.code, reply.unfinished), (250, true));
        assert!(reply.lines.len() <= KEPT_LINES);
    }
    assert!(read(b"250 OK").await.unwrap().ends_session(), "closed before the end of the line");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for bytes in [
        b"".as_slice(),
        b"25",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250-never the last\r\n",
        b"250-one\r\n550 two\r\n",
        b"250_\r\n",
        b"99\r\n",
        b"650 no\r\n",
        &[b'2'; 1_000_000],
    ] {
        assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(99)]));
    }
}

#[test]
fn the_enhanced_code_is_the_first_word_and_nothing_else() {
    let enhanced = |text: &str| Reply { code: 550, lines: vec![text.to_owned()], unfinished: false }.enhanced();
    assert_eq!(enhanced("5.1.1 no such user"), Some((1, 1)));
    assert_eq!(enhanced("5.7.60 SMTP; Client does not have permissions"), Some((7, 60)));
    assert_eq!(enhanced("#5.1.0 Address rejected."), Some((1, 0)));
    for text in ["no such user", "", "5.1", "5.1.1.1 x", "127.0.0.1 is blocked", "3.1.1 x", "5.1234.1 x"] {
        assert_eq!(enhanced(text), None, "{text}");
    }
}

/// Hands out no more than so many bytes at a time, as a connection may.
fn in_parts(bytes: &[u8], part: usize) -> impl AsyncBufRead + Unpin {
    tokio::io::BufReader::with_capacity(part, bytes)
}

/// Runs to its end what reads from memory and so never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn text() -> impl Strategy<Value = String> {
    "([!-~][ -~é]{0,60}[!-~])?"
}

proptest! {
    #[test]
    fn a_reply_is_read_as_it_was_written_and_the_next_one_after_it(
        code in 200_u16..600,
        lines in prop::collection::vec(text(), 1..5),
        part in 1_usize..50,
    ) {
        let mut bytes = String::new();
        for (at, line) in lines.iter().enumerate() {
            let separator = if at + 1 == lines.len() { ' ' } else { '-' };
            bytes.push_str(&format!("{code}{separator}{line}\r\n"));
        }
        bytes.push_str("220 next\r\n");
        let mut stream = in_parts(bytes.as_bytes(), part);
        let reply = now(Reply::read(&mut stream, &Secrets::default())).unwrap();
        prop_assert_eq!(&reply, &Reply { code, lines, unfinished: false });
        prop_assert_eq!(now(Reply::read(&mut stream, &Secrets::default())).unwrap().code, 220);
    }

    #[test]
    fn what_was_read_does_not_depend_on_how_it_arrived(
        bytes in "([2-5][0-9]{2}[- ][ -~]{0,9}\r?\n|[ -~\r\n]{0,9}){0,9}",
        part in 1_usize..9,
    ) {
        let whole = now(Reply::read(&mut bytes.as_bytes(), &Secrets::default()));
        let parts = now(Reply::read(&mut in_parts(bytes.as_bytes(), part), &Secrets::default()));
        prop_assert_eq!(whole.map_err(|error| error.to_string()), parts.map_err(|error| error.to_string()));
    }

    #[test]
    fn any_bytes_make_a_bounded_reply_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        for mut bytes in [bytes.clone(), [b"250-", bytes.as_slice(), b"\r\n250 "].concat()].iter().map(Vec::as_slice) {
            if let Ok(reply) = now(Reply::read(&mut bytes, &Secrets::default())) {
                prop_assert!((200..600).contains(&reply.code));
                prop_assert!(reply.lines.len() <= KEPT_LINES);
                prop_assert!(reply.lines.iter().all(|line| line.len() <= KEPT_TEXT));
            }
        }
    }

    #[test]
    fn an_enhanced_code_is_found_before_any_text(class in prop::sample::select(vec![2, 4, 5]), subject in 0_u16..1000,
        detail in 0_u16..1000, text in "[ -~]{0,20}") {
        let reply = Reply { code: 550, lines: vec![format!("{class}.{subject}.{detail} {text}")], unfinished: false };
        prop_assert_eq!(reply.enhanced(), Some((subject, detail)));
    }
}
