//! A plain text made from HTML, for readers without HTML.

use html2text::config;
use memchr::memchr_iter;
use tokio::task::spawn_blocking;

/// The most bytes of HTML that are converted. Gmail shows no more than 102 KB of a message.
const MAX_BYTES: usize = 512 * 1024;
/// The most tags.
const MAX_TAGS: usize = 20_000;
/// The most elements that may be open at once: the time to convert grows with the square of their number.
const MAX_DEPTH: usize = 256;
/// The length of a line of text.
const WIDTH: usize = 72;

/// Converts HTML to text; `None` where it has no text, is too large or is nested too deeply.
///
/// It runs on a thread of its own, because the largest HTML takes a fraction of a second. When the future is dropped, the
/// thread finishes, and the text is discarded.
pub(super) async fn of(html: &str) -> Option<String> {
    if html.len() > MAX_BYTES || !is_flat(html.as_bytes()) {
        return None;
    }
    // The converter takes CR for text.
    let html = html.replace("\r\n", "\n");
    // If the converter panics, the email is sent without the text.
    spawn_blocking(move || render(&html)).await.ok().flatten()
}

fn render(html: &str) -> Option<String> {
    // Deeply nested lists leave no width for their text: it may then be wider.
    let text = config::plain().allow_width_overflow().string_from_read(html.as_bytes(), WIDTH).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| format!("{text}\n"))
}

/// Elements that cannot contain their own kind, whether closed or not
/// (<https://html.spec.whatwg.org/multipage/syntax.html#optional-tags>), and those that contain nothing.
const NEVER_NESTED: &[&[u8]] = &[
    b"p", b"li", b"dt", b"dd", b"tr", b"td", b"th", b"thead", b"tbody", b"tfoot", b"option", b"html", b"head", b"body",
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source", b"track", b"wbr",
];

/// Whether tags and open elements are within their limits. A closing tag without an open element closes nothing, so that it
/// cannot hide open ones.
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
