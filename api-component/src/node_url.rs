//! The URL of another node of the cluster.

/// A URL with the address of another node in the place of its own: the same user, password and kind of connection. `node` is
/// `host:port`, as Redis writes it: an IPv6 address without brackets, or no host if it is that of the URL. `None` for what is no
/// address.
///
/// The text comes from Redis, and Spin connects only to what the manifest lists.
pub(crate) fn node_url(url: &str, node: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, own) = authority.rsplit_once('@').map_or(("", authority), |(login, own)| (login, own));
    let (host, port) = node.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = match host {
        "" => own.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(own, |(host, _)| host).to_owned(),
        host if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)) => return None,
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let at = if login.is_empty() { "" } else { "@" };
    Some(format!("{scheme}://{login}{at}{host}:{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_as_the_one_of_the_url_at_its_own_address() {
        for (url, node, expected) in [
            ("redis://127.0.0.1:6379", "127.0.0.1:6381", "redis://127.0.0.1:6381"),
            ("redis://redis-1", "redis-2.example:6379", "redis://redis-2.example:6379"),
            ("rediss://user:p%40ss@redis-1:6379/0", "10.0.0.2:7000", "rediss://user:p%40ss@10.0.0.2:7000/0"),
            ("redis://:a@b@redis-1:6379", "10.0.0.2:7000", "redis://:a@b@10.0.0.2:7000"),
            ("redis://:x@redis-1:6379?protocol=3", "::1:7000", "redis://:x@[::1]:7000?protocol=3"),
            ("redis://:x@redis-1:6379", ":7000", "redis://:x@redis-1:7000"),
            ("redis://redis-1", ":7000", "redis://redis-1:7000"),
            ("redis://[::1]:6379", ":7000", "redis://[::1]:7000"),
            ("redis://[::1]", ":7000", "redis://[::1]:7000"),
        ] {
            assert_eq!(node_url(url, node).as_deref(), Some(expected), "{url} {node}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for node in ["", "10.0.0.1", "10.0.0.1:", "10.0.0.1:70000", "evil@h:1", "h/x:1", "h#:1", "h?:1", "[::1]:1"] {
            assert_eq!(node_url("redis://redis-1:6379", node), None, "{node}");
        }
        assert_eq!(node_url("", "h:1"), None);
    }
}
