use mail_parser::{Address, HeaderForm, Message, MessageParser, MimeHeaders};
use testkit::Received;

/// An email as it arrived at the server.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The envelope and the bytes.
    pub received: Received,
    message: Message<'static>,
}

/// A file of an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFile {
    /// The name, if it has one.
    pub name: Option<String>,
    /// The media type, such as `image/png`.
    pub content_type: String,
    /// What the HTML refers to it by.
    pub content_id: Option<String>,
    /// Whether it is to be shown within the email.
    pub inline: bool,
    /// The bytes.
    pub content: Vec<u8>,
}

impl Mail {
    /// Parses a message, which must be one that any server can carry: lines of CRLF, none longer than 998 bytes
    /// (RFC 5322 2.1.1), no CR or LF by itself, no NUL, headers of ASCII unless sent with SMTPUTF8.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn new(received: Received) -> Self {
        if let Some(fault) = wire_fault(&received) {
            panic!("{fault}: {received:?}");
        }
        let message = MessageParser::default().parse(&received.data).map(Message::into_owned);
        let message = message.unwrap_or_else(|| panic!("not a message: {received:?}"));
        Self { received, message }
    }

    /// The id that the API gave it: what stands before the @ in `Message-ID`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.message.message_id().and_then(|id| id.split('@').next()).unwrap_or_default()
    }

    /// The `Message-ID` without its angle brackets.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.message.message_id().unwrap_or_default()
    }

    /// The `Date` in seconds since 1970.
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        self.message.date().map(mail_parser::DateTime::to_timestamp)
    }

    /// Names and addresses of `From`, `To`, `Cc`, `Bcc` or `Reply-To`; a name may be empty.
    #[must_use]
    pub fn people(&self, header: &str) -> Vec<(String, String)> {
        let address = self.message.header(header).and_then(|value| value.as_address());
        let people = address.map(|address: &Address<'_>| address.clone().into_list()).unwrap_or_default();
        let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
        people.into_iter().map(|person| (text(person.name), text(person.address))).collect()
    }

    /// The addresses alone.
    #[must_use]
    pub fn addresses(&self, header: &str) -> Vec<String> {
        self.people(header).into_iter().map(|(_, address)| address).collect()
    }

    /// The subject; `None` without a `Subject` field.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.message.subject()
    }

    /// All values of a header field as text, decoded.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.message.header_as(name, HeaderForm::Text);
        values.iter().map(|value| value.as_text().unwrap_or_default().to_owned()).collect()
    }

    /// The headers as they were sent.
    #[must_use]
    pub fn raw_headers(&self) -> String {
        let end = self.received.data.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        String::from_utf8_lossy(&self.received.data[..end.unwrap_or(self.received.data.len())]).into_owned()
    }

    /// The text of the first part of a media type such as `text/plain`, its line ends as LF.
    #[must_use]
    pub fn text(&self, content_type: &str) -> Option<String> {
        let part = self.message.parts.iter().find(|part| kind(*part) == content_type)?;
        part.text_contents().map(|text| text.replace("\r\n", "\n"))
    }

    /// Checks that it has a text of this media type that is `expected` to the letter but for its line ends, and for the
    /// line end that a message of a single part needs at its end (RFC 5321 2.3.8).
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn assert_text(&self, content_type: &str, expected: &str) {
        let arrived = self.text(content_type).unwrap_or_else(|| panic!("no {content_type} in {}", self.structure()));
        let expected = expected.replace("\r\n", "\n");
        let single = self.message.parts.len() == 1;
        let arrived = match arrived.strip_suffix('\n') {
            Some(stripped) if single && arrived != expected => stripped,
            _ => &arrived,
        };
        assert_eq!(arrived, expected, "{}", String::from_utf8_lossy(&self.received.data));
    }

    /// The media types of all parts, containers before what they hold, separated by spaces.
    #[must_use]
    pub fn structure(&self) -> String {
        self.message.parts.iter().map(kind).collect::<Vec<_>>().join(" ")
    }

    /// All files, inline ones as well.
    #[must_use]
    pub fn files(&self) -> Vec<MailFile> {
        let parts = self.message.parts.iter().filter(|part| part.content_disposition().is_some());
        parts
            .map(|part| MailFile {
                name: part.attachment_name().map(str::to_owned),
                content_type: kind(part),
                content_id: part.content_id().map(str::to_owned),
                inline: part.content_disposition().is_some_and(|disposition| disposition.is_inline()),
                content: part.contents().to_vec(),
            })
            .collect()
    }
}

fn kind<'a>(part: &impl MimeHeaders<'a>) -> String {
    let Some(kind) = part.content_type() else { return String::new() };
    format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
}

/// Why a message is none that any server can carry.
pub(crate) fn wire_fault(received: &Received) -> Option<String> {
    let data = &received.data;
    if !data.ends_with(b"\r\n") {
        return Some("the last line has no end".to_owned());
    }
    let lines = data[..data.len() - 2].split(|byte| *byte == b'\n');
    for (number, line) in lines.enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > 998 {
            return Some(format!("line {number} has {} bytes", line.len()));
        }
        if line.contains(&b'\r') || line.contains(&0) {
            return Some(format!("line {number} holds a CR or NUL"));
        }
    }
    let crlf = data.windows(2).filter(|pair| pair == b"\r\n").count();
    if crlf != data.iter().filter(|byte| **byte == b'\n').count() {
        return Some("a LF without CR".to_owned());
    }
    let utf8 = received.mail_parameters.iter().any(|parameter| parameter == "SMTPUTF8");
    (!utf8 && !data.is_ascii()).then(|| "more than ASCII without SMTPUTF8".to_owned())
}
