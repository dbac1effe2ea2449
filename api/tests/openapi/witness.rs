use std::collections::{BTreeMap, BTreeSet};

use api::response::Response;
use serde_json::{Value, json};

use crate::document::{Document, Operation};

/// The schemas of what is shown, each with the operation that shows it and where it is in the answer.
const SHAPES: [(&str, &str, &str, &str); 16] = [
    ("Created", "post", "/emails", ""),
    ("EmailSummary", "get", "/emails", "/data/*"),
    ("EmailList", "get", "/emails", ""),
    ("Email", "get", "/emails/{id}", ""),
    ("Changed", "patch", "/emails/{id}", ""),
    ("AttachmentSummary", "get", "/emails/{id}/attachments", "/data/*"),
    ("AttachmentList", "get", "/emails/{id}/attachments", ""),
    ("Attachment", "get", "/emails/{id}/attachments/{attachment_id}", ""),
    ("Queue", "get", "/queue", ""),
    ("Lane", "get", "/queue", "/lanes/*"),
    ("HeldOffRelay", "get", "/queue", "/relays/*"),
    ("Minute", "get", "/queue", "/series/*"),
    ("WorkerList", "get", "/queue/workers", ""),
    ("Worker", "get", "/queue/workers", "/data/*"),
    ("Paused", "post", "/queue/pause", ""),
    ("Bulk", "post", "/emails/discard", ""),
];

/// Checks answers against the document, and records which were seen.
pub(crate) struct Witness<'a> {
    pub(crate) document: &'a Document,
    /// Method, path, status.
    seen: BTreeSet<(String, String, String)>,
    /// Where the errors of a status are described, and which names have come.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Schema and property, and whether it was null and whether it was not.
    properties: BTreeMap<(&'static str, String), (bool, bool)>,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(document: &'a Document) -> Self {
        Self { document, seen: BTreeSet::new(), names: BTreeMap::new(), properties: BTreeMap::new() }
    }

    /// Checks an answer and returns its body, if that is JSON.
    #[track_caller]
    pub(crate) fn check(&mut self, operation: &Operation<'_>, status: u16, answer: Response) -> Value {
        let (method, path) = (operation.method, operation.path);
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        let case = format!("{method} {path}: {} {body}", answer.status());
        assert_eq!(answer.status(), status, "{case}");
        let declared = &operation.described["responses"][status.to_string()];
        assert!(declared.is_object(), "{case} is not described");
        let response = self.document.resolve(declared);
        self.check_headers(&answer, response, &case);

        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_object() {
            assert_eq!(answer.headers()["content-type"], "application/json", "{case}");
            let validator = self.document.validator(schema);
            assert!(validator.is_valid(&body), "{case}: {:?}", validator.validate(&body));
        }
        if let (Some(name), Some(reference)) = (body["name"].as_str(), declared["$ref"].as_str()) {
            self.names.entry(reference.to_owned()).or_default().insert(name.to_owned());
        }
        if status < 300 {
            self.note_properties(operation, &body);
        }
        self.seen.insert((method.to_owned(), path.to_owned(), status.to_string()));
        body
    }

    #[track_caller]
    fn check_headers(&self, answer: &Response, response: &Value, case: &str) {
        let declared = response["headers"].as_object().cloned().unwrap_or_default();
        for (name, value) in answer.headers() {
            if name == "content-type" || name == "content-length" {
                continue;
            }
            let declared = declared.iter().find(|(declared, _)| declared.eq_ignore_ascii_case(name.as_str()));
            let (_, header) = declared.unwrap_or_else(|| panic!("{case}: the header {name} is not described"));
            let text = value.to_str().unwrap();
            // As far as the schema asks for a number, the text is one.
            let value = text.parse::<u64>().map_or(json!(text), Value::from);
            let validator = self.document.validator(&self.document.resolve(header)["schema"]);
            assert!(validator.is_valid(&value), "{case}: {name}: {text}");
        }
        for (name, header) in &declared {
            let required = self.document.resolve(header)["required"] == true;
            assert!(!required || answer.headers().contains_key(name.as_str()), "{case}: without {name}");
        }
    }

    fn note_properties(&mut self, operation: &Operation<'_>, body: &Value) {
        for (schema, method, path, place) in SHAPES {
            if (method, path) != (operation.method, operation.path) {
                continue;
            }
            let shown: Vec<&Value> = match place {
                "" => vec![body],
                _ => body.pointer(place.trim_end_matches("/*")).unwrap().as_array().unwrap().iter().collect(),
            };
            for (name, value) in shown.into_iter().flat_map(|shown| shown.as_object().unwrap()) {
                let (null, other) = self.properties.entry((schema, name.clone())).or_default();
                *null |= value.is_null();
                *other |= !value.is_null();
            }
        }
    }

    /// Checks that nothing is described that never comes: no answer, no name of an error, no property, no null.
    pub(crate) fn assert_complete(&self) {
        for Operation { path, method, described } in self.document.operations() {
            for (status, response) in described["responses"].as_object().unwrap() {
                let answer = (method.to_owned(), path.to_owned(), status.clone());
                assert!(self.seen.contains(&answer), "{method} {path} has never answered {status}");
                let Some(reference) = response["$ref"].as_str() else { continue };
                let schema = &self.document.resolve(response)["content"]["application/json"]["schema"];
                let described = schema["allOf"][1]["properties"]["name"]["enum"].as_array().unwrap();
                let described = described.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
                assert_eq!(self.names[reference], described, "{reference}");
            }
        }
        for (schema, ..) in SHAPES {
            for name in self.document.properties(schema) {
                let nullable = self.document.property(schema, name).is_valid(&Value::Null);
                let seen = self.properties.get(&(schema, name.to_owned()));
                let (null, other) = seen.copied().unwrap_or_default();
                assert!(other, "{schema}.{name} never had a value");
                assert_eq!(null, nullable, "{schema}.{name} may be null, says one of the two");
            }
        }
    }
}
