//! The web page for operators, served below `/dashboard/`: static files, which ask the API on the same origin.
//!
//! [`answer`] is the whole server. It needs no state and no settings, because the page shows nothing without an API key that its user types.
//! The page itself is in `static/`: HTML, CSS and JavaScript modules as browsers get them, without a build step.

#![forbid(unsafe_code)]

/// Where the page is served. Spin's route for it is this path and `/...`.
pub const PATH: &str = "/dashboard";

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, in lower case, each once.
    pub headers: Vec<(&'static str, String)>,
    /// The content. Empty in an answer to `HEAD`.
    pub body: &'static [u8],
}

/// Whether the page answers this path, and not the API.
pub fn serves(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for `path`, such as `/dashboard/main.js`, without its query. `if_none_match` is the header field of this name, with
/// which a browser asks only for what has changed
/// ([RFC 9110 section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
pub fn answer(method: &str, path: &str, if_none_match: Option<&str>) -> Answer {
    if method != "GET" && method != "HEAD" {
        return refusal(405, [("allow", "GET, HEAD".to_owned())]);
    }
    let file = match path.strip_prefix(PATH).unwrap_or_default() {
        // The names in the page are relative to the folder. So is the redirect, for a proxy that serves all this below another path.
        "" => return refusal(308, [("location", "dashboard/".to_owned())]),
        "/" => "index.html",
        rest => rest.strip_prefix('/').unwrap_or_default(),
    };
    let Some(file) = FILES.iter().find(|known| known.path == file) else { return refusal(404, []) };
    let is_known = if_none_match.is_some_and(|tags| tags.split(',').any(|tag| is_tag(tag, file.etag)));
    let mut headers = common_headers(file.path);
    headers.push(("etag", file.etag.to_owned()));
    if is_known {
        return Answer { status: 304, headers, body: b"" };
    }
    headers.push(("content-type", file.media_type.to_owned()));
    headers.push(("content-length", file.content.len().to_string()));
    Answer { status: 200, headers, body: if method == "HEAD" { b"" } else { file.content } }
}

/// A file of the page.
struct File {
    path: &'static str,
    media_type: &'static str,
    etag: &'static str,
    content: &'static [u8],
}

/// All files of `static/`.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The document around an email's HTML.
const FRAME: &str = "frame.html";

/// For the page: nothing but its own files and its own API. No text of an email can become a script, a style or a request.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// For the document around an email's HTML, which the HTML inherits: styles of its own and images that it has within it. No script, no
/// request, no navigation.
const FRAME_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-same-origin";

fn common_headers(file: &str) -> Vec<(&'static str, String)> {
    let policy = if file == FRAME { FRAME_POLICY } else { PAGE_POLICY };
    [
        // Kept, and asked for again each time: a new version is there at once.
        ("cache-control", "no-cache"),
        ("content-security-policy", policy),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn refusal<const N: usize>(status: u16, more: [(&'static str, String); N]) -> Answer {
    let mut headers = common_headers("");
    headers.push(("content-length", "0".to_owned()));
    headers.extend(more);
    Answer { status, headers, body: b"" }
}

/// Whether an entry of `If-None-Match` is this tag, by weak comparison.
fn is_tag(entry: &str, tag: &str) -> bool {
    let entry = entry.trim();
    entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_page_and_each_of_its_files_are_served_with_type_tag_and_policy() {
        let page = answer("GET", "/dashboard/", None);
        assert_eq!((page.status, header(&page, "content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.body.starts_with(b"<!doctype html>"));
        for file in FILES {
            let got = answer("GET", &format!("/dashboard/{}", file.path), None);
            assert_eq!(
                (got.status, got.body.len().to_string().as_str()),
                (200, header(&got, "content-length").unwrap())
            );
            assert_eq!(header(&got, "x-content-type-options"), Some("nosniff"));
            let policy = header(&got, "content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert_eq!(policy.contains("unsafe"), file.path == FRAME, "{}: {policy}", file.path);
        }
    }

    #[test]
    fn a_browser_that_has_a_file_does_not_get_it_again() {
        let first = answer("GET", "/dashboard/", None);
        let tag = header(&first, "etag").unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = answer("GET", "/dashboard/", Some(&known));
            assert_eq!((again.status, again.body.len(), header(&again, "etag")), (304, 0, Some(tag)), "{known}");
        }
        assert_eq!(answer("GET", "/dashboard/", Some("\"other\"")).status, 200);
    }

    #[test]
    fn the_folder_without_its_slash_leads_to_the_page() {
        let answer = answer("GET", "/dashboard", None);
        assert_eq!((answer.status, header(&answer, "location")), (308, Some("dashboard/")));
    }

    #[test]
    fn head_is_get_without_the_content() {
        let (get, head) = (answer("GET", "/dashboard/", None), answer("HEAD", "/dashboard/", None));
        assert_eq!((head.status, head.headers, head.body.len()), (200, get.headers, 0));
    }

    #[test]
    fn other_files_and_methods_are_refused() {
        for path in
            ["/dashboard/none.js", "/dashboard/../Cargo.toml", "/dashboard/%2e%2e/x", "/dashboard//", "/dashboardx"]
        {
            assert_eq!(answer("GET", path, None).status, 404, "{path}");
        }
        let answer = answer("POST", "/dashboard/", None);
        assert_eq!((answer.status, header(&answer, "allow")), (405, Some("GET, HEAD")));
    }

    #[test]
    fn the_page_has_its_folder_and_nothing_else() {
        for path in ["/dashboard", "/dashboard/", "/dashboard/x"] {
            assert!(serves(path), "{path}");
        }
        for path in ["/", "/dashboards", "/emails/dashboard"] {
            assert!(!serves(path), "{path}");
        }
    }

    #[test]
    fn no_file_asks_for_anything_outside() {
        for file in FILES {
            let text = String::from_utf8_lossy(file.content).replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{}", file.path);
            assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{}", file.path);
        }
    }
}
