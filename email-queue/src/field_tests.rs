use proptest::prelude::*;

use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut message = Vec::new();
    write(&mut message);
    String::from_utf8(message).unwrap()
}

fn text_field(name: &str, value: &str) -> String {
    written(|message| text(message, name, value))
}

fn structured_field(value: &str) -> String {
    written(|message| structured(message, "List-Id", value).unwrap())
}

/// The lines of a field are ASCII, none is too long, and none is blank.
fn check(field: &str) {
    assert!(field.is_ascii());
    for line in field.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= MAX_LINE && !line.trim_matches(BLANK).is_empty(), "{field:?}");
        assert!(!line.contains(['\r', '\n', '\0']));
    }
}

#[test]
fn plain_words_stand_as_they_are_and_are_folded_between_them() {
    assert_eq!(text_field("Subject", "Hello there"), "Subject: Hello there\r\n");
    let long = ["word"; 40].join(" ");
    let field = text_field("Subject", &long);
    check(&field);
    assert!(field.lines().all(|line| line.len() <= LINE));
    assert_eq!(field.replace("\r\n", ""), format!("Subject: {long}"));
    assert_eq!(text_field("Subject", ""), "Subject:\r\n");
}

#[test]
fn a_long_first_word_stays_beside_the_name_until_the_line_is_full() {
    for (length, head) in [(900, "X: w"), (995, "X: w"), (996, "X:\r\n w")] {
        assert!(text_field("X", &"w".repeat(length)).starts_with(head), "{length}");
    }
    assert!(text_field("X", &"w".repeat(998)).starts_with("X: =?utf-8?q?www"));
}

#[test]
fn text_becomes_encoded_words_where_it_would_read_differently() {
    assert_eq!(text_field("Subject", "Grüße"), "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n");
    assert_eq!(text_field("Subject", "Grüße, zum Fest!"), "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe=2C_zum_Fest!?=\r\n");
    for value in [" x", "x ", "=?utf-8?q?x?=", &format!("x{}y", " ".repeat(100))] {
        assert!(text_field("Subject", value).starts_with("Subject: =?utf-8?"), "{value:?}");
    }
    assert_eq!(text_field("Subject", "two  blanks"), "Subject: two  blanks\r\n");
}

#[test]
fn a_structured_value_has_encoded_words_only_where_they_may_be() {
    assert_eq!(structured_field("  <a@b>   <c@d> "), "List-Id: <a@b>   <c@d>\r\n");
    assert_eq!(structured_field("<=?utf-8?q?x?=>"), "List-Id: <=?utf-8?q?x?=>\r\n");
    assert_eq!(structured_field("<ü ö>"), "List-Id: <%C3%BC %C3%B6>\r\n");
    assert_eq!(structured_field("Grüße <x>"), "List-Id: =?utf-8?b?R3LDvMOfZQ==?= <x>\r\n");
    assert_eq!(structured_field(" "), "List-Id:\r\n");
}

#[test]
fn a_structured_value_that_cannot_be_folded_is_told() {
    let fits = format!("<a> {}", "x".repeat(997));
    check(&structured_field(&fits));
    for value in [format!("{fits}x"), format!("<{}>", "ü".repeat(200)), format!("a{}b", " ".repeat(998))] {
        let mut message = b"before".to_vec();
        assert_eq!(structured(&mut message, "List-Id", &value), Err(Unbreakable));
        assert_eq!(message, b"before");
    }
}

#[test]
fn parameters_are_quoted_or_encoded_or_cut() {
    let field = |value: &str| written(|message| with_parameters(message, "Content-Type", "a/b", [("name", value)]));
    assert_eq!(field("x.pdf"), "Content-Type: a/b; name=x.pdf\r\n");
    assert_eq!(field(r#"a "b" \"#), "Content-Type: a/b; name=\"a \\\"b\\\" \\\\\"\r\n");
    assert_eq!(field(""), "Content-Type: a/b; name=\"\"\r\n");
    assert_eq!(field("Größe"), "Content-Type: a/b; name*=utf-8''Gr%C3%B6%C3%9Fe\r\n");
    let long = field(&"ü".repeat(60));
    check(&long);
    assert!(long.contains("\r\n name*0*=utf-8''%C3%BC") && long.contains("\r\n name*1*=%C3%BC"), "{long}");
}

proptest! {
    #[test]
    fn no_value_breaks_a_line_or_makes_a_long_one(
        name in "[!-9;-~]{1,76}",
        value in prop_oneof![".{0,300}", "[ \t]{0,1000}", "[!-~]{900,1100}", "( {0,99}[!-~ü<>]{1,300}){0,9}", "\\PC{0,900}"],
    ) {
        check(&text_field(&name, &value));
        let mut message = Vec::new();
        if structured(&mut message, &name, &value).is_ok() {
            check(std::str::from_utf8(&message).unwrap());
        }
        check(&written(|message| with_parameters(message, &name, "a/b", [("c", value.as_str())])));
    }
}
