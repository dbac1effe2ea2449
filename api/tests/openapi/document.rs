use jsonschema::Validator;
use serde_json::{Value, json};

/// What is published.
pub(crate) struct Document(Value);

/// A method of a path.
pub(crate) struct Operation<'a> {
    pub(crate) path: &'a str,
    /// In lower case, as the document has it.
    pub(crate) method: &'a str,
    pub(crate) described: &'a Value,
}

impl Document {
    pub(crate) fn load() -> Self {
        Self(serde_json::from_str(include_str!("../../openapi.json")).unwrap())
    }

    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
            operations.extend(methods.map(|(method, described)| Operation { path, method, described }));
        }
        operations
    }

    pub(crate) fn operation(&self, method: &str, path: &str) -> Operation<'_> {
        let found =
            self.operations().into_iter().find(|operation| operation.method == method && operation.path == path);
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    pub(crate) fn paths(&self) -> Vec<&str> {
        self.0["paths"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// Whatever a JSON pointer leads to.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("the document has no {pointer}"))
    }

    /// What a reference refers to, and the reference; anything else as it is.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.at(reference.trim_start_matches('#')),
            None => value,
        }
    }

    /// A schema with what it refers to.
    pub(crate) fn validator(&self, schema: &Value) -> Validator {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.0["components"],
        });
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }

    /// The schema of this name.
    pub(crate) fn schema(&self, name: &str) -> Validator {
        self.validator(&json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    /// A property of the schema of this name.
    pub(crate) fn property(&self, schema: &str, name: &str) -> Validator {
        self.validator(self.at(&format!("/components/schemas/{schema}/properties/{name}")))
    }

    /// The names of the properties of a schema, sorted.
    pub(crate) fn properties(&self, schema: &str) -> Vec<&str> {
        let properties = self.at(&format!("/components/schemas/{schema}/properties")).as_object().unwrap();
        let mut names: Vec<_> = properties.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn every_example_of_a_request_is_one_that_the_schema_allows() {
    let document = Document::load();
    for Operation { path, method, described } in document.operations() {
        let content = &described["requestBody"]["content"]["application/json"];
        if content.is_null() {
            continue;
        }
        let validator = document.validator(&content["schema"]);
        let examples = content["examples"].as_object().unwrap();
        assert!(!examples.is_empty(), "{method} {path}");
        for (name, example) in examples {
            let value = &example["value"];
            assert!(validator.is_valid(value), "{method} {path} {name}: {:?}", validator.validate(value));
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    fn references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }
    let document = Document::load();
    let mut used = Vec::new();
    references(&document.0, &mut used);
    for reference in &used {
        document.at(reference.trim_start_matches('#'));
    }
    for (kind, components) in document.at("/components").as_object().unwrap() {
        for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference.as_str()), "{reference} is not used");
        }
    }
}
