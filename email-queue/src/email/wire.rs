//! The JSON of a submission: every form of each field, without rules for values. Names are those of Resend's API, or of
//! its SDKs.

mod at_most;
mod file_content;
mod headers;
mod json;
mod long;
mod object;
mod scan;
mod strings;
mod tags;
mod text;

pub(super) use at_most::AtMost;
pub(super) use file_content::FileContent;
pub(super) use headers::Headers;
pub use json::Json;
pub(super) use object::Object;
pub(super) use strings::{Given, Strings};
pub(super) use tags::Tags;

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};

use super::{Content, Invalid, InvalidKind, limits::MAX_ATTACHMENTS};
use json::LineEnds;
use long::{Shortened, unescaped};
use scan::scan;

#[derive(Deserialize)]
pub(super) struct Submission {
    pub(super) from: Option<String>,
    pub(super) to: Option<Strings>,
    pub(super) recipient: Option<Strings>,
    pub(super) cc: Option<Strings>,
    pub(super) bcc: Option<Strings>,
    #[serde(alias = "replyTo")]
    pub(super) reply_to: Option<Strings>,
    pub(super) subject: Option<String>,
    pub(super) message: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) headers: Option<Headers>,
    pub(super) tags: Option<Tags>,
    pub(super) attachments: Option<AtMost<MAX_ATTACHMENTS, Object<Attachment>>>,
    #[serde(alias = "scheduledAt")]
    pub(super) scheduled_at: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) template: Option<Given>,
    #[serde(alias = "topicId")]
    pub(super) topic_id: Option<Given>,
}

#[derive(Deserialize)]
pub(super) struct Attachment {
    pub(super) filename: Option<String>,
    pub(super) content: Option<FileContent>,
    pub(super) path: Option<Given>,
    #[serde(alias = "contentType")]
    pub(super) content_type: Option<String>,
    #[serde(alias = "contentId")]
    pub(super) content_id: Option<String>,
    #[serde(alias = "inlineContentId")]
    pub(super) inline_content_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(alias = "scheduledAt")]
    pub(super) scheduled_at: Option<String>,
}

/// Parses a text that is one object. The error names the invalid field.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<Object<T>, Invalid> {
    let json = prepare(json)?;
    // Tracking the path of each field is slow, so it is done only after parsing has failed.
    serde_json::from_slice(&json).or_else(|_| read_by_field(&json))
}

/// Parses an email. Its long strings are read apart from the rest, unless there is anything unusual about them.
pub(super) fn read_submission(json: Json<'_>) -> Result<Object<Submission>, Invalid> {
    let text = text::without_mark(json.text);
    let long = Shortened::of(text, &scan(text)?);
    long.and_then(|shortened| read_shortened(shortened, json)).map_or_else(|| read(text), Ok)
}

fn read_shortened(mut shortened: Shortened<'_>, json: Json<'_>) -> Option<Object<Submission>> {
    let mut object: Object<Submission> = serde_json::from_slice(&text::without_half_pairs(&shortened.json)).ok()?;
    let Submission { message, text, html, attachments, .. } = &mut object.value;
    for text in [message, text, html].into_iter().flatten() {
        if let Some(string) = shortened.behind(text.as_bytes()) {
            *text = unescaped(string, json.line_ends)?;
        }
    }
    for file in attachments.iter_mut().flat_map(|files| &mut files.0) {
        if let Some(FileContent { content, is_text: true }) = &mut file.value.content
            && let Some(string) = shortened.behind(content.base64())
        {
            let without_escapes = || Content::from_base64(unescaped(string, LineEnds::AsTheyAre)?.into());
            *content = Content::from_one_piece(&json.part(string)).or_else(without_escapes)?;
        }
    }
    shortened.is_whole().then_some(object)
}

fn read_by_field<T: DeserializeOwned>(json: &[u8]) -> Result<Object<T>, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let object = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        invalid(if field == "." { "" } else { &field }, error.inner())
    })?;
    deserializer.end().map_err(|error| invalid("", &error))?;
    Ok(object)
}

/// What the parser is to be given for a text. It is a copy only where half a surrogate pair has to be replaced.
pub(super) fn prepare(json: &[u8]) -> Result<Cow<'_, [u8]>, Invalid> {
    let json = text::without_mark(json);
    scan(json)?;
    Ok(text::without_half_pairs(json))
}

impl Attachment {
    /// An empty text is none.
    pub(super) fn without_empty(mut self) -> Self {
        let Self { filename, content_type, content_id, inline_content_id, .. } = &mut self;
        for text in [filename, content_type, content_id, inline_content_id] {
            text.take_if(|text| text.is_empty());
        }
        self
    }
}

/// The error of serde without the value found, which may be secret and of any length.
fn invalid(field: &str, error: &serde_json::Error) -> Invalid {
    let text = error.to_string();
    if !error.is_data() {
        return Invalid { kind: InvalidKind::NotJson, field: String::new(), reason: text };
    }
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if let Some(name) = text.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        let field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        return Invalid::missing(field, "it is required");
    }
    let reason = match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => text.to_owned(),
    };
    Invalid::value(field, reason)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{long::MAX_LONG, *};

    /// Long, with all that a placeholder might be mixed up with.
    fn long(escape: &str) -> String {
        format!("{}{escape}", "0".repeat(long::LONG + 1))
    }

    fn read_both(json: &str) -> [Result<Object<Submission>, Invalid>; 2] {
        [read_submission(json.as_bytes().into()), read(json.as_bytes())]
    }

    fn texts(object: &Submission) -> Vec<Option<&str>> {
        let Submission { message, text, html, subject, .. } = object;
        let mut texts = vec![message.as_deref(), text.as_deref(), html.as_deref(), subject.as_deref()];
        for file in object.attachments.iter().flat_map(|files| &files.0) {
            texts.push(
                file.value.content.as_ref().map(|content| std::str::from_utf8(content.content.base64()).unwrap()),
            );
            texts.push(file.value.filename.as_deref());
        }
        texts
    }

    #[test]
    fn an_email_with_long_strings_is_read_as_one_with_short_ones() {
        let base64 = "AbC/".repeat(1000);
        let placeholder = format!("{:0>1$}", 1, long::LONG);
        let bytes = vec![0xd3; 3 * long::LONG / 4];
        for json in [
            json!({"text": long("\r\n\t\"\\/\u{8}\u{c}ü\n"), "html": long("<p>"), "message": long("")}),
            json!({"attachments": [{"content": base64, "filename": "a"}, {"content": "YQ"}, {"content": base64[1..]}]}),
            json!({"attachments": [{"content": format!("{base64}\r\n{base64}\r\n")}, {"content": bytes}]}),
            json!({"attachments": [{"content": bytes}], "x": [long("")]}),
            json!({"subject": long("in an unusual place"), "text": long("")}),
            json!({"text": placeholder[1..], "html": placeholder, "message": placeholder + "0"}),
            json!({"text": vec![long(""); MAX_LONG + 1], "unknown": long("\"")}),
            json!({"text": long(""), long("a"): 1, "headers": {"text": long("")}}),
            json!({"attachments": [{"content": long("no base64 ä")}]}),
            json!({"text": {"text": long("")}}),
        ] {
            let json = json.to_string();
            let escaped = json.replace('/', r"\/").replace('p', r"\u0070");
            let half = json.replace("000", r"\ud83c");
            for json in [
                json.as_str(),
                &escaped,
                &half,
                &json[..json.len() - 3],
                &json.replace("000\"", "00\n\""),
                &json.replacen("/AbC", "/\nAbC", 1),
            ] {
                match read_both(json) {
                    [Ok(ours), Ok(theirs)] => assert!(texts(&ours.value) == texts(&theirs.value), "{}", &json[..60]),
                    [ours, theirs] => assert_eq!(ours.err(), theirs.err(), "{}", &json[..60]),
                }
            }
        }
    }

    #[test]
    fn an_email_to_send_has_line_ends_of_crlf_and_its_files_are_not_copied() {
        let (text, base64) = (long("\na\r\n\r\nb\n"), "AbC/".repeat(1000));
        let json: Value = json!({"text": text, "html": text, "subject": "\n", "attachments": [{"content": base64}]});
        let json = Bytes::from(json.to_string());
        let Submission { text, html, attachments, .. } = read_submission(Json::to_send(&json)).unwrap().value;
        assert_eq!(text, Some(long("\r\na\r\n\r\nb\r\n")));
        assert_eq!(html, text);
        let files = attachments.unwrap().0;
        let content = files[0].value.content.as_ref().unwrap().content.base64();
        assert_eq!(content, base64.as_bytes());
        assert!(json.as_ptr_range().contains(&content.as_ptr()));
    }
}
