use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, which is always JSON.
    pub json: Value,
}

impl Answer {
    /// Checks what every answer must have: a body that is a JSON object, declared as JSON, and its length.
    ///
    /// # Panics
    /// When the answer is not such a one.
    pub(crate) fn new(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body)
            .unwrap_or_else(|_| panic!("the answer is not JSON: {status} {}", String::from_utf8_lossy(body)));
        let answer = Self { status, headers, json };
        assert!(answer.json.is_object(), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{answer:?}");
        answer
    }

    /// The text of a string field, or the empty one.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_default()
    }

    /// The value of a header, or the empty text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks that it is a refusal with this status and name, whose message mentions a text.
    ///
    /// # Panics
    /// Naming `case`, when it is not.
    #[track_caller]
    pub fn assert_refused(&self, case: &str, status: u16, name: &str, mention: &str) {
        assert_eq!((self.status, self.text("name")), (status, name), "{case}: {}", self.json);
        assert_eq!(self.json["statusCode"], status, "{case}: {}", self.json);
        assert!(self.text("message").contains(mention), "{case}: {} does not mention {mention}", self.json);
        let fields = self.json.as_object().map_or(0, serde_json::Map::len);
        assert_eq!(fields, 3, "{case}: {}", self.json);
    }
}
