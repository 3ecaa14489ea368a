//! Finds a log's format by looking, and reads its lines one by one.
//!
//! One file below `format/` knows one format. What a format needs to remember from line to line
//! (the field list of a CloudFront log) lives in the [`Parser`], so each file wants its own.

mod alb;
mod cloudfront;
mod combined;
mod json_lines;

use super::Parsed;
use cloudfront::Cloudfront;

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache's and nginx's common and combined format, with or without virtual host.
    Combined,
    /// CloudFront's standard log.
    Cloudfront,
    /// Access log of an AWS Application Load Balancer.
    Alb,
    /// One JSON object a line, with or without a syslog prefix.
    JsonLines,
}

impl Format {
    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Combined => "common or combined",
            Self::Cloudfront => "CloudFront",
            Self::Alb => "ALB",
            Self::JsonLines => "JSON lines",
        }
    }

    /// The format of this line, where it is typical of one.
    fn of(line: &[u8]) -> Option<Self> {
        if cloudfront::is_header(line) {
            Some(Self::Cloudfront)
        } else if alb::is_alb(line) {
            Some(Self::Alb)
        } else if combined::parse(line).is_ok() {
            Some(Self::Combined)
        } else if json_lines::is_json(line) {
            Some(Self::JsonLines)
        } else {
            None
        }
    }
}

/// Reads one file's lines, in order.
#[derive(Debug, Default)]
pub struct Parser {
    format: Option<Format>,
    cloudfront: Cloudfront,
}

impl Parser {
    /// A parser for a file whose format is not known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The format, once a line has shown it.
    #[must_use]
    pub const fn format(&self) -> Option<Format> {
        self.format
    }

    /// Reads a line without its line end.
    ///
    /// Lines before the first that shows the format are unreadable, and do not hold it up.
    pub fn parse(&mut self, line: &[u8]) -> Parsed {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            return Parsed::Skip;
        }
        if self.format.is_none() {
            self.format = Format::of(line);
        }
        match self.format {
            Some(Format::Combined) => combined::parse(line).into(),
            Some(Format::Cloudfront) => self.cloudfront.parse(line),
            Some(Format::Alb) => alb::parse(line).into(),
            Some(Format::JsonLines) => json_lines::parse(line).into(),
            None if line.starts_with(b"#") => Parsed::Skip,
            None => Parsed::Unreadable("no known log format"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_looking() {
        for (fixture, format) in [
            (&include_bytes!("fixtures/combined-basic.log")[..], Format::Combined),
            (include_bytes!("fixtures/cloudfront-basic.log"), Format::Cloudfront),
            (include_bytes!("fixtures/alb-basic.log"), Format::Alb),
            (include_bytes!("fixtures/json-basic.log"), Format::JsonLines),
        ] {
            let mut parser = Parser::new();
            assert_eq!(parser.parse(b"  "), Parsed::Skip);
            assert_eq!(parser.parse(b"# a comment"), Parsed::Skip);
            assert_eq!(parser.parse(b"nonsense"), Parsed::Unreadable("no known log format"));
            assert_eq!(parser.format(), None);
            parser.parse(fixture.split(|byte| *byte == b'\n').next().unwrap());
            assert_eq!(parser.format(), Some(format));
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_line() {
        let mut parser = Parser::new();
        parser.parse(b"\xEF\xBB\xBF#Version: 1.0");
        assert_eq!(parser.format(), Some(Format::Cloudfront));
    }
}
