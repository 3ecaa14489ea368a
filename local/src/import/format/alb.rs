//! Access logs of AWS Application Load Balancers: spaces between fields, some of them quoted.
//!
//! AWS adds fields at the end from time to time; what stands before never moves:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>.

use crate::import::scan::{self, Field, Fields};
use crate::import::{LogLine, request, time};

/// What the first field can be.
const TYPES: [&[u8]; 6] = [b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

/// Whether the line begins with a type and an ISO time, as no other format's does.
pub(super) fn is_alb(line: &[u8]) -> bool {
    let (kind, rest) = scan::cut(line, b' ');
    let when = scan::cut(rest, b' ').0;
    TYPES.contains(&kind) && std::str::from_utf8(when).ok().and_then(time::iso).is_some()
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<LogLine, &'static str> {
    let mut fields = Fields::new(line);
    let _kind = fields.need()?;
    let when = scan::text(fields.need()?.bytes());
    let _balancer = fields.need()?;
    let client = scan::text(fields.need()?.bytes());
    for _target_and_three_durations in 0..4 {
        fields.need()?;
    }
    let status = scan::status(fields.need()?.bytes())?;
    let _target_status = fields.need()?;
    let _received = fields.need()?;
    let bytes = scan::number(fields.need()?.bytes());
    let Field::Quoted(asked) = fields.need()? else {
        return Err("the request is not quoted");
    };
    let Field::Quoted(agent) = fields.need()? else {
        return Err("the user agent is not quoted");
    };
    for field in fields {
        field?;
    }
    let (method, target) = request::line(&scan::text(asked))?;
    Ok(LogLine {
        ip: address(&client),
        time_ms: time::iso(&when).ok_or("the time is none")?,
        method,
        target: target.path,
        host: target.host,
        scheme: target.scheme,
        status,
        bytes,
        referrer: None,
        user_agent: scan::optional(agent),
        user: None,
    })
}

/// The client's address; the log writes IPv6 without brackets before the port.
fn address(client: &str) -> Option<String> {
    match client.rsplit_once(':') {
        Some((ip, port)) if port.parse::<u16>().is_ok() && request::is_address(ip) => {
            request::address(ip)
        }
        _ => request::address(client),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fixture: &[u8]) -> Vec<Result<LogLine, &'static str>> {
        fixture.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
    }

    #[test]
    fn basic() {
        let lines = lines(include_bytes!("../fixtures/alb-basic.log"));
        let expected = LogLine {
            ip: Some("192.0.2.1".into()),
            time_ms: 1_530_570_180_186,
            method: "GET".into(),
            target: "/blog/?page=2".into(),
            host: Some("shop.example".into()),
            scheme: Some("https".into()),
            status: Some(200),
            bytes: Some(57),
            user_agent: Some("Mozilla/5.0 \"quoted\"".into()),
            ..LogLine::default()
        };
        assert_eq!(lines[0], Ok(expected));
        let second = lines[1].clone().unwrap();
        assert_eq!(second.ip.as_deref(), Some("2001:db8::1"));
        assert_eq!(second.user_agent, None);
        assert_eq!(address("2001:db8::1:48160").as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn recoverable_errors() {
        let lines = lines(include_bytes!("../fixtures/alb-recoverable-errors.log"));
        let reasons: Vec<_> = lines.into_iter().map(|line| line.err().unwrap_or("")).collect();
        assert_eq!(
            reasons,
            [
                "the request's method is not a word",
                "a quote is never closed",
                "a field is missing",
                "the time is none",
                "",
            ]
        );
    }
}
