//! URLs of sentinels: `redis+sentinel://[user:password@]host[:port][,host...]/MASTER[/db][?sentinel_password=PASSWORD]`.

use crate::{
    address::Address,
    server_url::server,
    url::{InvalidUrl, Place, RedisUrl, SentinelSet},
};

/// The port of [Sentinel](https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/).
const PORT: u16 = 26379;

/// The most that are asked.
const MAX_SENTINELS: usize = 16;

/// Parses what follows `://`. Each part is parsed as a URL of one server, so that escapes mean the same.
pub(crate) fn parse(scheme: &str, rest: &str) -> Result<RedisUrl, InvalidUrl> {
    let malformed = || InvalidUrl::MalformedSentinel;
    if rest.contains('#') {
        return Err(if rest.ends_with("#insecure") { InvalidUrl::Insecure } else { malformed() });
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // An unescaped `/` in a password ends the hosts, as in other URLs.
    let (authority, path) = rest.split_once('/').ok_or_else(malformed)?;
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    let sentinels = hosts.split(',').map(|host| sentinel(scheme, host)).collect::<Result<Vec<_>, _>>()?;
    if sentinels.len() > MAX_SENTINELS || !is_master_name(master) {
        return Err(malformed());
    }
    let info = |login: &str, db: &str| {
        let at = if login.is_empty() { "" } else { "@" };
        server(&format!("{scheme}://{login}{at}host/{db}")).map_err(|_| malformed())
    };
    Ok(RedisUrl {
        place: Place::Known(SentinelSet {
            sentinels,
            master: master.to_owned(),
            login: info(&sentinel_login(query)?, "")?.redis_settings().clone(),
        }),
        is_tls: scheme == "rediss",
        login: info(login, db)?.redis_settings().clone(),
    })
}

fn sentinel(scheme: &str, host: &str) -> Result<Address, InvalidUrl> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port { String::new() } else { format!(":{PORT}") };
    let info = server(&format!("{scheme}://{host}{port}")).map_err(|_| InvalidUrl::MalformedSentinel)?;
    Address::of(info.addr()).ok_or(InvalidUrl::MalformedSentinel)
}

/// User and password for the sentinels, as they stand in a URL.
fn sentinel_login(query: &str) -> Result<String, InvalidUrl> {
    let (mut user, mut password) = ("", "");
    for (name, value) in query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| pair.split_once('=')) {
        match name {
            "sentinel_user" => user = value,
            "sentinel_password" => password = value,
            _ => return Err(InvalidUrl::MalformedSentinel),
        }
    }
    let escaped = |text: &str| text.replace('/', "%2F").replace('@', "%40").replace(':', "%3A");
    match (user, password) {
        ("", "") if query.is_empty() => Ok(String::new()),
        (_, "") => Err(InvalidUrl::MalformedSentinel),
        (user, password) => Ok(format!("{}:{}", escaped(user), escaped(password))),
    }
}

/// The characters that Sentinel takes.
fn is_master_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use super::*;

    fn parsed(url: &str) -> (RedisUrl, SentinelSet) {
        let url: RedisUrl = url.parse().unwrap();
        let Place::Known(set) = url.place.clone() else { panic!("{url} is no URL of sentinels") };
        (url, set)
    }

    #[test]
    fn sentinels_master_and_logins_are_read() {
        let (url, set) = parsed(
            "redis+sentinel://app:p%40ss@one.example,[::1]:7000,10.0.0.3/mail-1/2?sentinel_user=watch&sentinel_password=s3c/ret",
        );
        let sentinels: Vec<_> = set.sentinels.iter().map(ToString::to_string).collect();
        assert_eq!(sentinels, ["one.example:26379", "[::1]:7000", "10.0.0.3:26379"]);
        assert_eq!((set.master.as_str(), url.login.db(), url.is_tls()), ("mail-1", 2, false));
        assert_eq!((url.login.username(), url.login.password()), (Some("app"), Some("p@ss")));
        assert_eq!((set.login.username(), set.login.password()), (Some("watch"), Some("s3c/ret")));
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(shown.contains("mail-1") && shown.contains("one.example:26379"), "{shown}");
            assert!(!["app", "ss@", "watch", "ret"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let (url, set) = parsed("rediss+sentinel://:secret@sentinel/mymaster?sentinel_password=other");
        assert_eq!((url.is_tls(), url.login.db(), url.login.username()), (true, 0, None));
        assert_eq!((set.login.username(), set.login.password()), (None, Some("other")));
        let (url, set) = parsed("redis+sentinel://sentinel/mymaster");
        assert_eq!((url.login.password(), set.login.password()), (None, None));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_password() {
        for url in [
            "",
            "sentinel",
            "sentinel/",
            "sentinel:0/m",
            "sentinel:port/m",
            ",/m",
            "one,,two/m",
            "/m",
            "sentinel/two words",
            "sentinel/m/-1",
            "sentinel/m/first",
            "sentinel/m?password=s3cret",
            "sentinel/m?sentinel_user=me",
            "sentinel/m?sentinel_password=",
            &format!("{}s/m", "s,".repeat(16)),
        ] {
            let error = format!("redis+sentinel://sender:s3cret@{url}").parse::<RedisUrl>().unwrap_err();
            assert_eq!(error, InvalidUrl::MalformedSentinel, "{url}");
            assert!(!error.to_string().contains("s3cret"));
        }
        let insecure = "rediss+sentinel://sentinel/m#insecure".parse::<RedisUrl>().unwrap_err();
        assert_eq!(insecure, InvalidUrl::Insecure);
    }
}
