//! One look at a JSON text before it is parsed: how deep it is nested, and where its long strings are.

use std::ops::Range;

use memchr::memchr_iter;

use super::long::{LONG, MAX_LONG};
use crate::email::{Invalid, InvalidKind};

/// serde_json limits the depth of values that it builds, but not of values that it skips, such as unknown fields.
const MAX_DEPTH: usize = 128;

/// Refuses more lists and objects open at once than [`MAX_DEPTH`]. Returns the places of the long strings, without their
/// quotation marks: of all, or of more than [`MAX_LONG`].
pub(super) fn scan(json: &[u8]) -> Result<Vec<Range<usize>>, Invalid> {
    let (mut depth, mut at, mut long) = (0_usize, 0, Vec::new());
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let Some(end) = end_of_string(json, at) else { break };
                if end - at >= LONG && long.len() <= MAX_LONG {
                    long.push(at..end);
                }
                at = end + 1;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let reason = format!("it is nested more than {MAX_DEPTH} levels deep");
            return Err(Invalid { kind: InvalidKind::NotJson, field: String::new(), reason });
        }
    }
    Ok(long)
}

/// Where the string that begins here has its second quotation mark. Goes from quotation mark to quotation mark, because a string
/// may be an attachment of megabytes, and a text has an escape per line.
fn end_of_string(json: &[u8], begin: usize) -> Option<usize> {
    let mut passed = begin;
    for end in memchr_iter(b'"', &json[begin..]) {
        let end = begin + end;
        let backslashes = json[passed..end].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(end);
        }
        passed = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_strings_are_found_whatever_is_in_them() {
        let long = [r"\\", "[{", r#"\""#, r"\n"].map(|text| text.repeat(LONG / 2));
        let json =
            format!(r#"{{"a":"{}","b":["{}",1],"c":"short","{}":"\\","d":"{}"}}"#, long[0], long[1], long[2], long[3]);
        let found = scan(json.as_bytes()).unwrap().into_iter().map(|place| json[place].to_owned());
        assert_eq!(found.collect::<Vec<_>>(), long);
        assert_eq!(scan(&json.as_bytes()[..json.len() - 3]).unwrap().len(), 3, "the last has no end");
    }

    #[test]
    fn places_take_no_more_memory_than_is_used_of_them() {
        let json = format!("[{}]", format!("\"{}\",", "x".repeat(LONG)).repeat(3 * MAX_LONG));
        assert_eq!(scan(json.as_bytes()).unwrap().len(), MAX_LONG + 1);
    }
}
