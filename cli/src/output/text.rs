//! Text of strangers, made harmless for a terminal.

/// A text on one line. Control characters, which could move the cursor or change what is shown, and characters that are not seen or
/// change the direction of writing, are shown as escapes.
pub(crate) fn line(text: &str) -> String {
    escaped(text, |c| if c == '\t' || c == '\n' { ' ' } else { c })
}

/// The same of a text with lines, which stay.
pub(crate) fn lines(text: &str) -> String {
    escaped(&text.replace("\r\n", "\n"), |c| c)
}

fn escaped(text: &str, white: impl Fn(char) -> char) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(white(c)),
            c if is_harmless(c) => shown.push(c),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

/// Whether a terminal shows this character and does nothing else.
pub(crate) fn is_harmless(c: char) -> bool {
    !c.is_control() && !is_hidden(c)
}

/// Characters without a shape of their own: two texts could look the same, or a text could be shown in another order than it has. By
/// Unicode `Default_Ignorable_Code_Point`, and of the category `Cf` those that are not drawn, and separators of lines.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\r\u{8}\u{7f}\u{202e}gpj.exe\u{2028}x\u{90}q";
        for shown in [line(hostile), lines(hostile)] {
            assert!(shown.chars().all(is_harmless), "{shown:?}");
            assert!(shown.contains(r"\u{1b}[31mred") && shown.contains(r"\u{202e}gpj.exe"), "{shown:?}");
        }
        assert_eq!(line("pay\u{200b}pal\u{ad}\u{e0041}\u{3164}"), r"pay\u{200b}pal\u{ad}\u{e0041}\u{3164}");
        assert_eq!(line("two\nlines\tand ü 漢 🎉"), "two lines and ü 漢 🎉");
        assert_eq!(lines("two\r\nlines\n"), "two\nlines\n");
    }
}
