use std::collections::BTreeSet;

use crate::{
    document::Document,
    server::{Api, Ask},
};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// No path is deeper.
const DEPTH: usize = 5;

#[test]
fn router_and_document_agree_on_every_path_made_of_their_words() {
    let document = Document::load();
    let api = Api::start();
    let words = words(&document);
    for word in ["emails", "batch", "cancel", "receiving", "healthz", "openapi.json"] {
        assert!(words.contains(word), "{word} is not among {words:?}");
    }
    let mut served = BTreeSet::new();
    let mut paths = vec![String::new()];
    for _ in 0..DEPTH {
        paths = paths.iter().flat_map(|path| words.iter().map(move |word| format!("{path}/{word}"))).collect();
        paths.retain(|path| {
            // A method that nothing allows: what is allowed stands in the answer.
            let answer = api.ask(Ask::new("BREW", path));
            match answer.status().as_u16() {
                405 => {
                    let allowed = answer.headers()["allow"].to_str().unwrap();
                    let template = template_of(&document, path);
                    let template = template.unwrap_or_else(|| panic!("{path} is served and not described"));
                    assert_eq!(allowed, methods(&document, template), "{path}");
                    served.insert(template.to_owned());
                }
                404 | 501 => assert_eq!(template_of(&document, path), None, "{path} is described and not served"),
                status => panic!("{path}: {status}"),
            }
            // What does not begin like a path that is served leads nowhere.
            path.starts_with("/emails") || document.paths().iter().any(|known| known.starts_with(path.as_str()))
        });
    }
    let described: BTreeSet<_> = document.paths().into_iter().map(str::to_owned).collect();
    assert_eq!(served, described);
}

/// Every word of the router and of the document, and an id.
fn words(document: &Document) -> BTreeSet<String> {
    let router = include_str!("../../src/router.rs").split('"').skip(1).step_by(2);
    let is_word = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'.');
    let described = document.paths().into_iter().flat_map(|path| path.split('/'));
    router.chain(described).chain([ID]).filter(|text| *text == ID || is_word(text)).map(str::to_owned).collect()
}

/// The path of the document that a path is, if it is one. Words go before parameters.
fn template_of<'a>(document: &'a Document, path: &str) -> Option<&'a str> {
    let parameters = |template: &str| template.matches('{').count();
    let is = |template: &&str| {
        let (described, asked): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let fits = |(described, asked): (&&str, &&str)| described.starts_with('{') || described == asked;
        described.len() == asked.len() && described.iter().zip(&asked).all(fits)
    };
    let found = document.paths().into_iter().filter(is).min_by_key(|template| parameters(template));
    // The parts of Resend's API that are answered by 501 would be emails or attachments by their form alone.
    let not_served = path == "/emails/receiving" || path == "/emails/metrics";
    found.filter(|_| !not_served && !path.starts_with("/emails/receiving/") && !path.starts_with("/emails/metrics/"))
}

/// As the `Allow` field has them. HEAD goes with every GET, and is not described on its own.
fn methods(document: &Document, template: &str) -> String {
    let operations = document.operations();
    let of_path = operations.iter().filter(|operation| operation.path == template);
    let mut methods: Vec<_> = of_path.map(|operation| operation.method.to_uppercase()).collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods.sort_unstable();
    methods.join(", ")
}
