//! Which component answers a path.
//!
//! A route is an exact path or a prefix that ends in `/...`. An exact route wins over prefixes, a longer prefix over a
//! shorter one. As in Spin, slashes at the end of a path make no difference to the match.

use std::collections::HashMap;

use thiserror::Error;

/// Routes and what they lead to.
#[derive(Debug)]
pub(crate) struct Router<T> {
    exact: HashMap<String, T>,
    /// Longest first. The prefix has no slash at either end.
    prefixes: Vec<(String, T)>,
}

/// A path that has a route.
#[derive(Debug, PartialEq)]
pub(crate) struct Match<'a, T> {
    /// What the route leads to.
    pub(crate) target: &'a T,
    /// What of the path the `...` stands for, with its leading slash; empty for an exact route.
    pub(crate) path_info: String,
}

/// A route that cannot be served.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum RouteError {
    /// A form that Spin supports and this host does not.
    #[error("route {0:?}: only exact paths and a final /... are supported")]
    Unsupported(String),
    /// There twice.
    #[error("route {0:?} is there twice")]
    Duplicate(String),
}

impl<T> Router<T> {
    /// Builds the router from routes as the manifest has them.
    pub(crate) fn new(routes: impl IntoIterator<Item = (String, T)>) -> Result<Self, RouteError> {
        let mut router = Self { exact: HashMap::new(), prefixes: Vec::new() };
        for (route, target) in routes {
            let (path, is_prefix) = match route.strip_suffix("/...") {
                Some(prefix) => (prefix, true),
                None => (route.as_str(), false),
            };
            let path = path.trim_matches('/').to_owned();
            if path.split('/').any(|segment| segment.starts_with(':') || segment.contains('*') || segment == "...") {
                return Err(RouteError::Unsupported(route));
            }
            let is_new = if is_prefix {
                let is_new = router.prefixes.iter().all(|(prefix, _)| *prefix != path);
                router.prefixes.push((path, target));
                is_new
            } else {
                router.exact.insert(path, target).is_none()
            };
            if !is_new {
                return Err(RouteError::Duplicate(route));
            }
        }
        router.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(router)
    }

    /// Finds the route for the path of a request.
    pub(crate) fn route(&self, path: &str) -> Option<Match<'_, T>> {
        let trimmed = path.trim_matches('/');
        if let Some(target) = self.exact.get(trimmed) {
            return Some(Match { target, path_info: String::new() });
        }
        self.prefixes.iter().find_map(|(prefix, target)| {
            let rest = rest_after(trimmed, prefix)?;
            let slash = if rest.is_empty() { "" } else { "/" };
            let end = if path.ends_with('/') { "/" } else { "" };
            Some(Match { target, path_info: format!("{slash}{rest}{end}") })
        })
    }
}

/// What follows `prefix` and a slash in `path`, if whole segments match.
fn rest_after<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(prefix)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[&str]) -> Router<String> {
        Router::new(routes.iter().map(|route| ((*route).to_owned(), (*route).to_owned()))).unwrap()
    }

    fn target<'a>(router: &'a Router<String>, path: &str) -> Option<&'a str> {
        router.route(path).map(|found| found.target.as_str())
    }

    #[test]
    fn an_exact_route_matches_its_path_only() {
        let router = router(&["/", "/emails"]);
        assert_eq!(target(&router, "/"), Some("/"));
        assert_eq!(target(&router, "/emails"), Some("/emails"));
        assert_eq!(target(&router, "/emails/"), Some("/emails"));
        assert_eq!(target(&router, "/emails/1"), None);
        assert_eq!(target(&router, "/email"), None);
    }

    #[test]
    fn a_prefix_matches_whole_segments() {
        let router = router(&["/emails/..."]);
        assert_eq!(target(&router, "/emails"), Some("/emails/..."));
        assert_eq!(target(&router, "/emails/1/2"), Some("/emails/..."));
        assert_eq!(target(&router, "/emailsx"), None);
        assert_eq!(target(&router, "/"), None);
    }

    #[test]
    fn exact_wins_over_prefix_and_longer_prefix_over_shorter() {
        for routes in [["/...", "/a/...", "/a/b/...", "/a/b"], ["/a/b", "/a/b/...", "/a/...", "/..."]] {
            let router = router(&routes);
            assert_eq!(target(&router, "/a/b"), Some("/a/b"));
            assert_eq!(target(&router, "/a/b/c"), Some("/a/b/..."));
            assert_eq!(target(&router, "/a/c"), Some("/a/..."));
            assert_eq!(target(&router, "/c"), Some("/..."));
            assert_eq!(target(&router, "/"), Some("/..."));
        }
    }

    #[test]
    fn path_info_is_what_the_wildcard_stands_for() {
        let router = router(&["/foo/...", "/exact"]);
        for (path, path_info) in
            [("/foo", ""), ("/foo/", "/"), ("/foo/bar", "/bar"), ("/foo/bar/", "/bar/"), ("/exact", "")]
        {
            assert_eq!(router.route(path).unwrap().path_info, path_info, "{path}");
        }
    }

    #[test]
    fn routes_of_other_forms_and_duplicates_are_refused() {
        let build = |routes: &[&str]| Router::new(routes.iter().map(|route| ((*route).to_owned(), ()))).unwrap_err();
        for route in ["/:id", "/emails/:id/...", "/files/*", "/.../x"] {
            assert_eq!(build(&[route]), RouteError::Unsupported(route.to_owned()));
        }
        assert_eq!(build(&["/a", "/a/"]), RouteError::Duplicate("/a/".to_owned()));
        assert_eq!(build(&["/a/...", "/a/..."]), RouteError::Duplicate("/a/...".to_owned()));
    }
}
