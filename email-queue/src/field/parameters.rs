use std::fmt::Write;

use super::{Folded, LINE};

/// Writes a value with parameters, such as `Content-Type: text/csv; charset=utf-8`. Parameters that are not ASCII or
/// exceed a line are written by [RFC 2231](https://www.rfc-editor.org/rfc/rfc2231). The value and the parameters' names
/// must be short and ASCII.
pub fn with_parameters<'a>(
    message: &mut Vec<u8>,
    name: &str,
    value: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let mut field = Folded::new(message, name);
    let mut last = value.to_owned();
    for (name, value) in parameters {
        for parameter in parameter(name, value) {
            last.push(';');
            field.word(" ", &last);
            last = parameter;
        }
    }
    field.word(" ", &last);
    field.end();
}

/// One parameter, in as many pieces as it needs.
fn parameter(name: &str, value: &str) -> Vec<String> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let quoted = if !value.is_empty() && value.bytes().all(is_token) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    };
    // With a blank before it and a semicolon behind.
    let room = LINE - " ;".len();
    if plain && name.len() + "=".len() + quoted.len() <= room {
        return vec![format!("{name}={quoted}")];
    }
    let encoded: Vec<String> = value.chars().map(percent_encoded).collect();
    let whole = format!("{name}*=utf-8''{}", encoded.concat());
    if whole.len() <= room {
        return vec![whole];
    }
    let mut pieces = vec![format!("{name}*0*=utf-8''")];
    for character in encoded {
        let number = pieces.len();
        match pieces.last_mut() {
            // No piece is without a character, however long the name.
            Some(piece) if piece.ends_with(['=', '\'']) || piece.len() + character.len() <= room => {
                piece.push_str(&character)
            }
            _ => pieces.push(format!("{name}*{number}*={character}")),
        }
    }
    pieces
}

/// One character as it may stand in an extended value (RFC 2231 7).
fn percent_encoded(c: char) -> String {
    if c.is_ascii() && is_token(c as u8) && !"*'%".contains(c) {
        return c.to_string();
    }
    c.encode_utf8(&mut [0; 4]).bytes().fold(String::new(), |mut encoded, byte| {
        // Writing to a string cannot fail.
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

/// What a token of MIME is made of (RFC 2045 5.1).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}
