//! A text for who cannot read HTML, made of the HTML.

use html2text::config;
use memchr::memchr_iter;
use tokio::task::spawn_blocking;

/// How many bytes of HTML are read for it. Gmail shows no more than 102 KB of a message.
const MAX_BYTES: usize = 512 * 1024;
/// How many tags.
const MAX_TAGS: usize = 20_000;
/// How many elements may be open at once: the time to read them grows with its square.
const MAX_DEPTH: usize = 256;
/// How long its lines are.
const WIDTH: usize = 72;

/// A text that says what the HTML says; `None` where there is no text in it, or where it is too large or nested too deep
/// to be read for that.
///
/// It is made on a thread of its own, because it takes a fraction of a second for what is as large as it may be. When
/// the future is dropped it is made for nobody.
pub(super) async fn of(html: &str) -> Option<String> {
    if html.len() > MAX_BYTES || !is_flat(html.as_bytes()) {
        return None;
    }
    let html = html.to_owned();
    // If it should panic, the email is sent without such a text.
    spawn_blocking(move || render(&html)).await.ok().flatten()
}

fn render(html: &str) -> Option<String> {
    // Lists that are nested deep leave no room for their text, which is then wider.
    let text = config::plain().allow_width_overflow().string_from_read(html.as_bytes(), WIDTH).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| format!("{text}\n"))
}

/// Elements that never hold others of their kind, whether they are closed or not
/// (<https://html.spec.whatwg.org/multipage/syntax.html#optional-tags>), and that hold nothing at all.
const NEVER_NESTED: &[&[u8]] = &[
    b"p", b"li", b"dt", b"dd", b"tr", b"td", b"th", b"thead", b"tbody", b"tfoot", b"option", b"html", b"head", b"body",
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source", b"track", b"wbr",
];

/// Whether there are no more tags than allowed and no more elements open at once. A tag that closes nothing that is open
/// does not count, so that it cannot hide others.
fn is_flat(html: &[u8]) -> bool {
    let mut open: Vec<&[u8]> = Vec::new();
    let flat = |(tags, start): (usize, usize)| {
        let tag = &html[start + 1..];
        let (closing, tag) = tag.strip_prefix(b"/").map_or((false, tag), |tag| (true, tag));
        let name = tag.split(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is = |other: &&[u8]| name.eq_ignore_ascii_case(other);
        if closing {
            open.truncate(open.iter().rposition(is).unwrap_or(open.len()));
        } else if !name.is_empty() && !NEVER_NESTED.iter().any(is) {
            open.push(name);
        }
        tags < MAX_TAGS && open.len() <= MAX_DEPTH
    };
    memchr_iter(b'<', html).enumerate().all(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_told_from_what_is_long() {
        let deep = |tag: &str, count: usize| is_flat(tag.repeat(count).as_bytes());
        for tag in ["<p>x", "<li>x", "<br>", "<b>x</b>", "<DIV>x</div>", "<td a='<'>x"] {
            assert!(deep(tag, 5_000), "{tag}");
            assert!(!deep(tag, MAX_TAGS + 1), "{tag}");
        }
        for tag in ["<div>", "<div></x>", "<ul><li>", "<table><tr><td>", "<b><p>", "<b></i>", "<x-y>"] {
            assert!(deep(tag, 100) && !deep(tag, 300), "{tag}");
        }
    }
}
