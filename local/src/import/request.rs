//! What was asked: request lines, targets, hosts and addresses, brought to one shape.

use std::net::{IpAddr, SocketAddr};

/// A request's target, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// Path and query.
    pub(super) path: String,
    /// Host of an absolute target.
    pub(super) host: Option<String>,
    /// Scheme of an absolute target.
    pub(super) scheme: Option<String>,
}

/// `GET /path?query HTTP/1.1` to method and target.
///
/// Some clients send spaces inside the target; HTTP/0.9 has no protocol at the end.
pub(super) fn line(text: &str) -> Result<(String, Target), &'static str> {
    let (verb, rest) = text.split_once(' ').ok_or("the request has no target")?;
    let asked = match rest.rsplit_once(' ') {
        Some((asked, protocol)) if protocol.starts_with("HTTP/") => asked,
        _ => rest,
    };
    let verb = method(verb)?;
    let target = target(&verb, asked.trim())?;
    Ok((verb, target))
}

/// The method, which is a word.
pub(super) fn method(text: &str) -> Result<String, &'static str> {
    let word = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    let known = (1..=32).contains(&text.len()) && text != "-" && text.bytes().all(word);
    known.then(|| text.to_owned()).ok_or("the request's method is not a word")
}

/// A target as sent: a path, or an absolute URL as proxies and load balancers write it.
pub(super) fn target(method: &str, text: &str) -> Result<Target, &'static str> {
    if text.starts_with('/') || text == "*" || (method == "CONNECT" && !text.is_empty()) {
        return Ok(Target { path: text.to_owned(), ..Target::default() });
    }
    absolute(text).ok_or("the request's target is neither a path nor a URL")
}

fn absolute(text: &str) -> Option<Target> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https" | "ws" | "wss") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let named = authority.rsplit_once('@').map_or(authority, |(_, named)| named);
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(Target { path: format!("{slash}{path}"), host: Some(host(named)?), scheme: Some(scheme) })
}

/// A host in lower case, without port and final dot.
pub(super) fn host(text: &str) -> Option<String> {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            match name.find(':') {
                Some(_) if !name.ends_with(']') => text,
                _ => name,
            }
        }
        _ => text,
    };
    let name = name.trim_end_matches('.');
    let named = !matches!(name, "" | "-" | "_") && !name.contains([' ', '/']);
    named.then(|| name.to_ascii_lowercase())
}

/// An address without its port and brackets; a host name is left as it is.
pub(super) fn address(text: &str) -> Option<String> {
    if matches!(text, "" | "-") {
        return None;
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_string());
    }
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Some(inside.unwrap_or(text).to_owned())
}

/// Whether it is an address rather than a name.
pub(super) fn is_address(text: &str) -> bool {
    address(text).is_some_and(|text| text.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        let (method, target) = line("GET /a b?c=d HTTP/1.1").unwrap();
        assert_eq!((method.as_str(), target.path.as_str()), ("GET", "/a b?c=d"));
        assert_eq!(line("GET /").unwrap().1.path, "/");
        let target = line("GET HTTP://u:p@Shop.Example:8080?x=1 HTTP/1.1").unwrap().1;
        assert_eq!(target.path, "/?x=1");
        assert_eq!(target.host.as_deref(), Some("shop.example"));
        assert_eq!(target.scheme.as_deref(), Some("http"));
        assert_eq!(line("OPTIONS * HTTP/1.1").unwrap().1.path, "*");
        assert_eq!(line("CONNECT shop.example:443 HTTP/1.1").unwrap().1.path, "shop.example:443");
        for text in [
            "-",
            "",
            "GET",
            "GET ",
            "GET foo HTTP/1.1",
            "\x16\x03 /",
            "- http://shop.example:80- -",
        ] {
            assert!(line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_and_addresses() {
        assert_eq!(host("Shop.Example.:443").as_deref(), Some("shop.example"));
        assert_eq!(host("[2001:db8::1]:443").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(host("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(host("-"), None);
        assert_eq!(address("192.0.2.1:4711").as_deref(), Some("192.0.2.1"));
        assert_eq!(address("[2001:db8::1]:4711").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("[2001:db8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("client.example").as_deref(), Some("client.example"));
        assert_eq!(address("-"), None);
    }
}
