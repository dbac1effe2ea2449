//! Text of strangers, made harmless for a terminal.

/// A text on one line: control characters, which could move the cursor or change what is shown, and those that change the
/// direction of writing are replaced.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if c == '\t' || c == '\n' { ' ' } else { harmless(c) }).collect()
}

/// The same of a text with lines, which stay.
pub(crate) fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().map(|c| if c == '\n' || c == '\t' { c } else { harmless(c) }).collect()
}

/// Whether a terminal shows this character and does nothing else.
pub(crate) fn is_harmless(c: char) -> bool {
    // Marks of direction: a text could be shown in another order than it has.
    let is_direction =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_line = matches!(c, '\u{2028}' | '\u{2029}');
    !c.is_control() && !is_direction && !is_line
}

fn harmless(c: char) -> char {
    if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\r\u{8}\u{7f}\u{202e}gpj.exe\u{2028}x\u{90}q";
        for shown in [line(hostile), lines(hostile)] {
            assert!(shown.chars().all(is_harmless), "{shown:?}");
            assert!(shown.contains("[31mred") && shown.contains("gpj.exe"), "{shown:?}");
        }
        assert_eq!(line("two\nlines\tand ü 漢 🎉"), "two lines and ü 漢 🎉");
        assert_eq!(lines("two\r\nlines\n"), "two\nlines\n");
    }
}
