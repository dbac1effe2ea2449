//! `AUTH PLAIN` (RFC 4616) and `AUTH LOGIN`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::script::{Reply, Stage};
use super::state::Session;
use super::wire::{Over, Wire};

/// What LOGIN asks, by custom: "Username:" and "Password:" in base64.
const ASK_USER: &str = "VXNlcm5hbWU6";
const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

impl Session<'_> {
    /// Whether `AUTH` is offered now. Where TLS can be had, no password is to be sent without it.
    pub(super) fn offers_auth(&self) -> bool {
        self.shared.login.is_some() && (self.tls || self.shared.tls.is_none())
    }

    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>, wire: &mut Wire) -> Result<(), Over> {
        if !self.offers_auth() || self.user.is_some() {
            return wire.send(&Reply::new(503, "5.5.1 no authentication now")).await;
        }
        let credentials = match mechanism {
            "PLAIN" => plain(initial.filter(|_| !self.shared.asks_for_response), wire).await?,
            "LOGIN" => login(initial, wire).await?,
            _ => return wire.send(&Reply::new(504, "5.5.4 unknown mechanism")).await,
        };
        let Some((user, password)) = credentials else {
            return wire.send(&Reply::new(501, "5.5.2 not understood")).await;
        };
        let expected = self.shared.login.as_ref();
        let right = expected.is_some_and(|login| login.user == user && login.password == password);
        let reply =
            if right { Reply::new(235, "2.7.0 welcome") } else { Reply::new(535, "5.7.8 wrong user or password") };
        if self.answer(Stage::Auth, reply, wire).await? {
            self.user = Some(user);
        }
        Ok(())
    }
}

/// The user and password of one response: `authorization NUL user NUL password`.
async fn plain(initial: Option<String>, wire: &mut Wire) -> Result<Option<(String, String)>, Over> {
    let response = response(initial, "", wire).await?;
    Ok(response.and_then(|text| {
        let mut parts = text.split('\0').skip(1);
        let credentials = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next().is_none().then_some(credentials)
    }))
}

/// The user and the password, each a response of its own.
async fn login(initial: Option<String>, wire: &mut Wire) -> Result<Option<(String, String)>, Over> {
    let Some(user) = response(initial, ASK_USER, wire).await? else { return Ok(None) };
    let password = response(None, ASK_PASSWORD, wire).await?;
    Ok(password.map(|password| (user, password)))
}

/// The response that came with the command, or else the one to `challenge`. `None` if it is not base64 of UTF-8, which
/// the asterisk that cancels is not either.
async fn response(initial: Option<String>, challenge: &str, wire: &mut Wire) -> Result<Option<String>, Over> {
    let encoded = match initial {
        // RFC 4954, section 4: how an empty response is written beside the command.
        Some(equals) if equals == "=" => String::new(),
        Some(encoded) => encoded,
        None => {
            wire.send(&Reply::new(334, challenge)).await?;
            wire.read_line().await?.unwrap_or_else(|_| "*".to_owned())
        }
    };
    Ok(BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()))
}
