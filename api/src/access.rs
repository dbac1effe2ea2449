//! Who may ask for what: whoever has a key. Where there are no keys nobody is served, unless the operator has opened the API
//! by name, to programs on its own machine: a proxy there that adds no header makes every stranger look like one of those.

mod key;
mod local;
mod wrong_keys;

use std::net::{IpAddr, SocketAddr};

use email_queue::{Queue, call::Redis};
use http::{HeaderMap, header};

pub use self::key::ApiKey;
use crate::{backend::Failure, error::ApiError};

/// Where Spin says who the client is.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// Where Spin says what the client asked for.
const FULL_URL: &str = "spin-full-url";

const CLOSED: &str = "This server serves nobody yet. Its operator sets the variable `api_keys`, of which each client sends one \
                      as `Authorization: Bearer KEY`; or, for development on one machine and behind no proxy, the variable \
                      `open` to `loopback` (SPIN_VARIABLE_OPEN=loopback spin up).";

/// To whom the operator has opened the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Clients with one of these keys.
    Keys(Vec<ApiKey>),
    /// Programs on the server's own machine.
    Loopback,
    /// Nobody.
    Closed,
}

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// Its key; empty for a local client where no keys are set.
    pub key: String,
    /// Whether it may do nothing but send emails.
    pub sending_only: bool,
}

impl Access {
    /// Reads the variables `api_keys` and `open`. The second is asked for only where there are no keys: to ask is a good
    /// part of what a request costs.
    ///
    /// # Errors
    /// 500, naming the variable and not its value.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(keys) = given("api_keys") {
            let unusable =
                |why| ApiError::misconfigured(format!("The server's variable `api_keys` cannot be used: {why}."));
            return key::parse(&keys).map(Self::Keys).map_err(unusable);
        }
        match given("open").as_deref() {
            None => Ok(Self::Closed),
            Some("loopback") => Ok(Self::Loopback),
            Some(_) => Err(ApiError::misconfigured(
                "The server's variable `open` has a value that cannot be used: it is empty or `loopback`.".to_owned(),
            )),
        }
    }

    /// Lets a request pass that needs a key where there are any, or says why not. A right key costs Redis nothing, a
    /// wrong one a command. `reads_body` says whether its body is read.
    ///
    /// # Errors
    /// 401 without a key; 403 with a wrong one, or 429 after many; 401 and 403 for whom it is not open.
    pub(crate) async fn admit<R: Redis<Error: Failure>>(
        &self,
        headers: &HeaderMap,
        reads_body: bool,
        queue: &Queue,
        redis: &R,
    ) -> Result<Caller, ApiError> {
        let Self::Keys(keys) = self else {
            return self
                .admit_without_key(headers, reads_body)
                .map(|()| Caller { key: String::new(), sending_only: false });
        };
        let given = bearer(headers).ok_or_else(|| {
            ApiError::missing_api_key(
                "Missing API key in the authorization header, which is `Authorization: Bearer KEY`.",
            )
        })?;
        match key::known(keys, given) {
            Some(known) => Ok(Caller { key: known.key.clone(), sending_only: known.sending_only }),
            None => Err(wrong_keys::refusal(headers, queue, redis).await),
        }
    }

    /// Lets a request pass that needs no key, or says why not.
    ///
    /// # Errors
    /// 401 and 403 for whom it is not open.
    pub(crate) fn admit_without_key(&self, headers: &HeaderMap, reads_body: bool) -> Result<(), ApiError> {
        match self {
            Self::Keys(_) => Ok(()),
            Self::Loopback => local::check(headers, reads_body),
            Self::Closed => Err(ApiError::missing_api_key(CLOSED)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The address that the request came from. What a client has sent under the header's name stands before what Spin adds.
fn client_address(headers: &HeaderMap) -> Option<IpAddr> {
    client_addresses(headers).next_back()?
}

/// What is said of the address, also by the client; `None` for what is no address.
fn client_addresses(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    let address = |value: &http::HeaderValue| -> Option<SocketAddr> { value.to_str().ok()?.parse().ok() };
    headers.get_all(CLIENT_ADDRESS).iter().map(move |value| address(value).map(|address| address.ip().to_canonical()))
}

/// The URL that was asked for. What a client has sent under the header's name stands before what Spin adds.
pub(crate) fn full_url(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(FULL_URL).iter().next_back()?.to_str().ok()
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
        access.map_err(|error| String::from_utf8(error.into_response().into_body()).unwrap())
    }

    #[test]
    fn nobody_is_served_unless_it_is_opened_by_name() {
        assert_eq!(access("", ""), Ok(Access::Closed));
        assert_eq!(Access::from_variables(|_| None).unwrap(), Access::Closed);
        assert_eq!(access("", "loopback"), Ok(Access::Loopback));
        assert!(matches!(access("one,two:sending", "loopback").unwrap(), Access::Keys(keys) if keys.len() == 2));
        for open in ["Loopback", " loopback", "loopback\n", "true", "1", "all"] {
            let told = access("", open).unwrap_err();
            assert!(told.contains("`open`"), "{told}");
        }
        for keys in [" ", "\n", ",", "one, two"] {
            let told = access(keys, "loopback").unwrap_err();
            assert!(told.contains("`api_keys`") && told.contains("key "), "{told}");
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
