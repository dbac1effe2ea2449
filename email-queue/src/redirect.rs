/// An error by which a node of [Redis Cluster](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/) says
/// that it does not serve a slot, or not now, in the words of each client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// Another node serves the slot, at this `host:port`. The host is missing if it is the host of the node that answered.
    Moved(String),
    /// The slot moves to another node, or is without one: the same call succeeds later.
    ///
    /// [`ASK`](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#ask-redirection) is one of these, and
    /// is not followed. A node to which a slot moves key by key has a part of them, and a script that names a queue would take
    /// the others for missing and create them anew. On the node that still serves the slot such a script fails, and changes
    /// nothing.
    Later,
}

impl Redirect {
    /// The redirect in an error text; `None` for any other error.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        const MOVED: [&str; 3] = ["MOVED ", "MOVED: ", "Moved: "];
        const LATER: [&str; 9] = [
            "ASK ",
            "ASK: ",
            "Ask: ",
            "TRYAGAIN",
            "TryAgain",
            "CLUSTERDOWN",
            "ClusterDown",
            "attempted to access a non local key",
            "Multiple keys request during rehashing",
        ];
        if let Some(rest) = MOVED.iter().find_map(|word| behind(text, word)) {
            let mut words = rest.split_ascii_whitespace();
            let (slot, address) = (words.next()?, words.next()?);
            let port = address.rsplit_once(':')?.1;
            let is_redirect = slot.parse::<u16>().is_ok() && port.parse::<u16>().is_ok();
            return is_redirect.then(|| Self::Moved(address.to_owned()));
        }
        LATER.iter().any(|words| behind(text, words).is_some()).then_some(Self::Later)
    }
}

/// What follows these words, unless they are the end of a longer one.
fn behind<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let (before, rest) = text.split_once(words)?;
    Some(rest).filter(|_| before.is_empty() || before.ends_with([' ', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_known_in_the_words_of_each_client() {
        for (text, address) in [
            ("MOVED 3999 127.0.0.1:6381", "127.0.0.1:6381"),
            ("An error was signalled by the server - Moved: 3999 127.0.0.1:6381", "127.0.0.1:6381"),
            ("Moved: 3999 redis-2.example:6381", "redis-2.example:6381"),
            ("MOVED: 3999 ::1:6381", "::1:6381"),
            ("MOVED 3999 :6381", ":6381"),
        ] {
            assert_eq!(Redirect::of(text), Some(Redirect::Moved(address.to_owned())), "{text}");
        }
        for text in [
            "ASK 3999 127.0.0.1:6381",
            "An error was signalled by the server - Ask: 3999 127.0.0.1:6381",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
            "An error was signalled by the server - ClusterDown: The cluster is down",
            "ERR Script attempted to access a non local key in a cluster node script: 0f, on @user_script:12.",
        ] {
            assert_eq!(Redirect::of(text), Some(Redirect::Later), "{text}");
        }
        for text in ["broken pipe", "MOVED", "MOVED x y", "MOVED 1 nowhere", "LOADING Redis is loading", "TASK: 1"] {
            assert_eq!(Redirect::of(text), None, "{text}");
        }
    }
}
