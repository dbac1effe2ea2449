//! Which requests are served: those with an API key.
//!
//! If the operator has set no keys, none are, unless the operator has opened the API to programs on the same machine. That is not
//! the default, because behind a proxy on that machine that adds no header, every client looks like one of those programs.

pub(crate) mod key;
mod local;
mod wrong_keys;

use email_queue::{Queue, call::Redis};
use http::{HeaderMap, header};

pub use self::key::{ApiKey, Rights};
use crate::{backend::Failure, client::Client, error::ApiError, invalid_setting::InvalidSetting};

const CLOSED: &str = "This server serves nobody yet. Its operator sets `api_keys`, of which each client sends one \
                      as `Authorization: Bearer KEY`; or, for development on one machine and behind no proxy, \
                      `open` to `loopback` (on Spin SPIN_VARIABLE_OPEN=loopback, of the native server --open loopback).";

/// Which clients may use the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Clients with one of these keys.
    Keys(Vec<ApiKey>),
    /// Programs on the server's own machine.
    Loopback,
    /// Nobody.
    Closed,
}

/// The sender of a request.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The API key; empty for a local client where no keys are set.
    pub(crate) key: String,
    /// What the key may do.
    pub(crate) rights: Rights,
}

impl Access {
    /// Reads the variables `api_keys` and `open`. The second is looked up only if there are no keys: on some hosts a look-up is
    /// a considerable part of the cost of a request.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(keys) = given("api_keys") {
            return key::parse(&keys).map(Self::Keys).map_err(|invalid| InvalidSetting {
                variable: "api_keys",
                reason: format!("cannot be used: {invalid}"),
            });
        }
        match given("open").as_deref() {
            None => Ok(Self::Closed),
            Some("loopback") => Ok(Self::Loopback),
            Some(_) => Err(InvalidSetting {
                variable: "open",
                reason: "has a value that cannot be used: it is empty or `loopback`".to_owned(),
            }),
        }
    }

    /// The caller of a request that needs a key where keys are set. A wrong key costs one Redis command, a right one none.
    /// `reads_body` says whether the handler reads the body.
    ///
    /// # Errors
    /// 401 without a key; 403 with a wrong one, or 429 after many; 401 or 403 if the API is not open to the client.
    pub(crate) async fn admit<R: Redis<Error: Failure>>(
        &self,
        headers: &HeaderMap,
        client: &Client,
        reads_body: bool,
        queue: &Queue,
        redis: &R,
    ) -> Result<Caller, ApiError> {
        let Self::Keys(keys) = self else {
            return self
                .admit_without_key(headers, client, reads_body)
                .map(|()| Caller { key: String::new(), rights: Rights::Full });
        };
        let given = bearer(headers).ok_or_else(|| {
            ApiError::missing_api_key(
                "Missing API key in the authorization header, which is `Authorization: Bearer KEY`.",
            )
        })?;
        match key::find(keys, given) {
            Some(key) => Ok(Caller { key: key.key.clone(), rights: key.rights }),
            None => Err(wrong_keys::refusal(client, queue, redis).await),
        }
    }

    /// Checks a request that needs no key.
    ///
    /// # Errors
    /// 401 or 403 if the API is not open to the client.
    pub(crate) fn admit_without_key(
        &self,
        headers: &HeaderMap,
        client: &Client,
        reads_body: bool,
    ) -> Result<(), ApiError> {
        match self {
            Self::Keys(_) => Ok(()),
            Self::Loopback => local::check(headers, client, reads_body),
            Self::Closed => Err(ApiError::missing_api_key(CLOSED)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(api_keys: &str, open: &str) -> Result<Access, String> {
        let access = Access::from_variables(|name| match name {
            "api_keys" => Some(api_keys.to_owned()),
            "open" => Some(open.to_owned()),
            _ => None,
        });
        access.map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn nobody_is_served_unless_it_is_opened_by_name() {
        assert_eq!(access("", ""), Ok(Access::Closed));
        assert_eq!(Access::from_variables(|_| None).unwrap(), Access::Closed);
        assert_eq!(access("", "loopback"), Ok(Access::Loopback));
        assert!(matches!(access("one,two:sending", "loopback").unwrap(), Access::Keys(keys) if keys.len() == 2));
        for open in ["Loopback", " loopback", "loopback\n", "true", "1", "all"] {
            let message = access("", open).unwrap_err();
            assert!(message.contains("`open`"), "{message}");
        }
        for keys in [" ", "\n", ",", "one, two"] {
            let message = access(keys, "loopback").unwrap_err();
            assert!(message.contains("`api_keys`") && message.contains("key "), "{message}");
        }
    }

    #[test]
    fn a_key_is_sent_as_a_bearer_token() {
        for (authorization, key) in [
            ("Bearer two", Some("two")),
            ("bearer  two ", Some("two")),
            ("Bearer ", None),
            ("two", None),
            ("Basic b25l", None),
        ] {
            let headers = [(header::AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect();
            assert_eq!(bearer(&headers), key, "{authorization}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
