//! Reading web server and CDN logs, the part that needs neither network nor stream.
//!
//! A [`source::Source`] gives numbered lines, a [`format::Parser`] makes a [`LogLine`] of each,
//! [`classify::classify`] says what becomes of it, and [`id::hit_id`] gives it its identity.
//! Nothing here knows sites, visitors or hits; docs/IMPORT.md lists the formats and the rules.

pub mod classify;
pub mod format;
pub mod id;
mod request;
mod scan;
pub mod source;
mod time;

#[cfg(test)]
mod tests;

/// One request, as a line of a log tells it.
///
/// A value that the log leaves out or gives as `-` is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLine {
    /// The client's address, without a port; a host name where the server looked names up.
    pub ip: Option<String>,
    /// When it happened, Unix milliseconds.
    pub time_ms: i64,
    /// The request's method, as sent.
    pub method: String,
    /// Path and query as the client sent them, percent-encoding included; begins with a slash,
    /// except for `*` and for CONNECT.
    pub target: String,
    /// The host that was asked, lower case and without a port.
    pub host: Option<String>,
    /// `http` or `https` (ALB and CloudFront: also `ws`, `wss`).
    pub scheme: Option<String>,
    /// The answer's status.
    pub status: Option<u16>,
    /// Bytes sent.
    pub bytes: Option<u64>,
    /// The referrer as sent.
    pub referrer: Option<String>,
    /// The user agent as sent.
    pub user_agent: Option<String>,
    /// The user who had logged in to the server.
    pub user: Option<String>,
}

/// What a line turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every line is a request; none is kept")]
pub enum Parsed {
    /// A request.
    Line(LogLine),
    /// Nothing to read: a blank line or a directive.
    Skip,
    /// Meant as a request, but not readable; the reason is for people.
    Unreadable(&'static str),
}

impl From<Result<LogLine, &'static str>> for Parsed {
    fn from(result: Result<LogLine, &'static str>) -> Self {
        result.map_or_else(Self::Unreadable, Self::Line)
    }
}
