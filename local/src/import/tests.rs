//! The whole way from file to class, over real logs and over broken ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::classify::{Class, Reason, classify};
use super::format::{Format, Parser};
use super::source::Source;
use super::{LogLine, Parsed, id};

const FIXTURES: [&[u8]; 10] = [
    include_bytes!("fixtures/combined-basic.log"),
    include_bytes!("fixtures/combined-recoverable-errors.log"),
    include_bytes!("fixtures/cloudfront-basic.log"),
    include_bytes!("fixtures/cloudfront-percent-encoding.log"),
    include_bytes!("fixtures/cloudfront-recoverable-errors.log"),
    include_bytes!("fixtures/cloudfront-unknown-version.log"),
    include_bytes!("fixtures/alb-basic.log"),
    include_bytes!("fixtures/alb-recoverable-errors.log"),
    include_bytes!("fixtures/json-basic.log"),
    include_bytes!("fixtures/json-recoverable-errors.log"),
];

/// A file of the shared test data, or nothing (and a line that says so) where that is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")).join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data/{name} is absent");
    None
}

/// Lines, numbers of the unreadable ones, and what was skipped.
fn read(path: &std::path::Path) -> (Vec<LogLine>, Vec<u64>, usize, Option<Format>) {
    let (mut lines, mut unreadable, mut skipped) = (Vec::new(), Vec::new(), 0);
    let mut parser = Parser::new();
    for line in Source::open(path).unwrap() {
        let line = line.unwrap();
        match parser.parse(&line.bytes) {
            Parsed::Line(parsed) => lines.push(parsed),
            Parsed::Skip => skipped += 1,
            Parsed::Unreadable(_) => unreadable.push(line.number),
        }
    }
    (lines, unreadable, skipped, parser.format())
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

fn distinct<'a>(values: impl Iterator<Item = &'a Option<String>>) -> usize {
    values.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn apache_logs_says_what_an_independent_parser_says() {
    let Some(path) = shared("access-logs/apache_logs") else {
        return;
    };
    let (lines, unreadable, skipped, format) = read(&path);
    assert_eq!((lines.len(), unreadable, skipped), (9_999, vec![8899], 0));
    assert_eq!(format, Some(Format::Combined));
    assert_eq!(distinct(lines.iter().map(|line| &line.ip)), 1_753);
    assert_eq!(distinct(lines.iter().map(|line| &line.user_agent)), 558);
    assert_eq!(distinct(lines.iter().map(|line| &line.referrer)), 628);
    assert_eq!(lines.iter().filter(|line| line.referrer.is_none()).count(), 4_072);
    let methods = count(lines.iter().map(|line| line.method.as_str()));
    assert_eq!(methods, [("GET", 9951), ("HEAD", 42), ("OPTIONS", 1), ("POST", 5)].into());
    let statuses = count(lines.iter().filter_map(|line| line.status));
    let expected =
        [(200, 9125), (206, 45), (301, 164), (304, 445), (403, 2), (404, 213), (416, 2), (500, 3)];
    assert_eq!(statuses, expected.into());
    let days = count(lines.iter().map(|line| line.time_ms / 86_400_000));
    assert_eq!(days.into_values().collect::<Vec<_>>(), [1_632, 2_893, 2_896, 2_578]);
}

#[test]
fn hackers_log_says_what_an_independent_parser_says() {
    let Some(path) = shared("access-logs/hackers-access.log") else {
        return;
    };
    let (lines, unreadable, skipped, _) = read(&path);
    assert_eq!((lines.len(), unreadable.len(), skipped), (3_456, 0, 0));
    assert_eq!(distinct(lines.iter().map(|line| &line.ip)), 520);
    let v6 = |line: &&LogLine| line.ip.as_ref().is_some_and(|ip| ip.contains(':'));
    assert_eq!(lines.iter().filter(v6).count(), 12);
    assert_eq!(distinct(lines.iter().map(|line| &line.user_agent)), 27);
    assert_eq!(distinct(lines.iter().map(|line| &line.referrer)), 26);
    assert_eq!(lines.iter().filter(|line| line.referrer.is_none()).count(), 21);
    let statuses = count(lines.iter().filter_map(|line| line.status));
    assert_eq!(statuses, [(200, 2846), (302, 585), (403, 13), (404, 12)].into());
}

#[test]
fn cdn_logs() {
    for (name, lines, unreadable, format) in [
        ("cloudfront/unrelated-traffic.log", 5, 0, Format::Cloudfront),
        ("cloudfront/percent-encoding.log", 3, 0, Format::Cloudfront),
        // Too few values, no method, no path, no time, no date.
        ("cloudfront/recoverable-errors.log", 4, 5, Format::Cloudfront),
        ("cloudfront/unknown-version.log", 0, 2, Format::Cloudfront),
        ("fastly/percent-encoding.log", 2, 0, Format::JsonLines),
        // Cut short, and a URL that is none.
        ("fastly/recoverable-errors.log", 5, 2, Format::JsonLines),
        ("fastly/unrelated-traffic.log", 5, 0, Format::JsonLines),
    ] {
        let Some(path) = shared(&format!("cdn-logs/{name}")) else {
            return;
        };
        let read = read(&path);
        let read = (read.0.len(), read.1.len(), read.3);
        assert_eq!(read, (lines, unreadable, Some(format)), "{name}");
    }
}

#[test]
fn compressed_cdn_logs_say_the_same() {
    for (plain, packed) in [
        ("cloudfront/basic.log", "cloudfront/basic.log.gz"),
        ("fastly/basic.log", "fastly/basic.log.zst"),
    ] {
        let pair = shared(&format!("cdn-logs/{plain}")).zip(shared(&format!("cdn-logs/{packed}")));
        let Some((plain, packed)) = pair else { return };
        let (plain, packed) = (read(&plain), read(&packed));
        assert!(!plain.0.is_empty() && plain.1.is_empty() && packed.1.is_empty());
        // One user agent of the two CloudFront files differs.
        let asked = |lines: &[LogLine]| -> Vec<(i64, String)> {
            lines.iter().map(|line| (line.time_ms, line.target.clone())).collect()
        };
        assert_eq!(asked(&plain.0), asked(&packed.0));
    }
}

/// A hit as both sides tell it: address, time, URL, referrer, user agent, status, bytes, and
/// whether the file's name makes it a download.
type Told = (String, i64, String, String, String, u16, u64, bool);

fn told(line: &LogLine) -> Told {
    let named = LogLine { method: "GET".into(), status: Some(200), ..line.clone() };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
    // Its main URL was the first log's site; the second log has whole URLs.
    let host = line.host.as_deref().unwrap_or("www.semicomplete.com");
    // It drops the question mark of an empty query.
    let url = format!("http://{host}{}", line.target.trim_end_matches('?'));
    (
        or_none(&line.ip),
        line.time_ms,
        url,
        or_none(&line.referrer),
        line.user_agent.clone().unwrap_or_else(|| "-".into()),
        line.status.unwrap(),
        line.bytes.unwrap_or(0),
        // The importer was told to take static files as downloads.
        matches!(classify(&named), Class::Download | Class::Dropped(Reason::Static)),
    )
}

fn recorded(hit: &serde_json::Value) -> Told {
    let text = |name: &str| hit[name].as_str().unwrap_or_default().to_owned();
    let status: serde_json::Value = serde_json::from_str(&text("cvar")).unwrap();
    (
        text("cip"),
        super::time::iso(&text("cdt")).unwrap(),
        text("url"),
        text("urlref"),
        text("ua"),
        status["1"][1].as_str().unwrap().parse().unwrap(),
        hit["bw_bytes"].as_u64().unwrap_or(0),
        hit.get("download").is_some(),
    )
}

/// What the importer sent, told to keep static files, errors, redirects and robots.
#[test]
fn lines_are_read_as_matomos_importer_reads_them() {
    let logs = shared("access-logs/apache_logs").zip(shared("access-logs/hackers-access.log"));
    let bulk = shared("matomo-import/import_logs-bulk-requests.ndjson.gz");
    let Some(((apache, hackers), bulk)) = logs.zip(bulk) else {
        return;
    };
    let lines = [read(&apache).0, read(&hackers).0].concat();
    let bulk = flate2::read::MultiGzDecoder::new(std::fs::File::open(bulk).unwrap());
    let requests = serde_json::Deserializer::from_reader(bulk).into_iter::<serde_json::Value>();
    let bodies = requests.filter_map(|request| {
        let body = request.unwrap()["body"].as_str()?.to_owned();
        serde_json::from_str::<serde_json::Value>(&body).ok()
    });
    let hits = bodies.flat_map(|body| body["requests"].as_array().cloned().unwrap());
    let theirs = count(hits.map(|hit| recorded(&hit)));
    let ours = count(lines.iter().map(told));
    assert_eq!(theirs.values().sum::<usize>(), 13_455);
    // The addresses are real, so a difference is counted and not printed.
    let unlike = ours.iter().filter(|(hit, times)| theirs.get(*hit) != Some(*times));
    assert_eq!(unlike.count(), 0);
    assert_eq!(ours.len(), theirs.len());
}

/// Written down once, so that a change of the rules is seen.
#[test]
fn classes_of_the_real_logs() {
    for (name, expected) in [
        ("apache_logs", [3_902, 116, 5_562, 220, 164, 35]),
        ("hackers-access.log", [2_344, 0, 0, 25, 585, 502]),
    ] {
        let Some(path) = shared(&format!("access-logs/{name}")) else {
            return;
        };
        let (lines, ..) = read(&path);
        let classes = [
            Class::Pageview,
            Class::Download,
            Class::Dropped(Reason::Static),
            Class::Dropped(Reason::ErrorStatus),
            Class::Dropped(Reason::Redirect),
            Class::Dropped(Reason::Method),
        ];
        let number = |class| lines.iter().filter(|line| classify(line) == class).count();
        assert_eq!(classes.map(number), expected, "{name}");
    }
}

#[test]
fn equal_lines_of_a_file_are_hits_of_their_own() {
    let Some(path) = shared("access-logs/apache_logs") else {
        return;
    };
    let ids = || -> std::collections::BTreeSet<_> {
        let lines = Source::open(&path).unwrap().map(Result::unwrap);
        lines.map(|line| id::hit_id(&line.bytes, line.number)).collect()
    };
    assert_eq!(ids().len(), 10_000);
    assert_eq!(ids(), ids());
}

/// Whatever is read has the shape that [`LogLine`] promises.
fn check(parsed: Parsed) {
    if let Parsed::Line(line) = parsed {
        assert!(!line.method.is_empty());
        assert!(line.target.starts_with('/') || line.target == "*" || line.method == "CONNECT");
        for text in [&line.ip, &line.host, &line.referrer, &line.user_agent, &line.user] {
            assert!(!matches!(text.as_deref(), Some("" | "-")), "{line:?}");
        }
        assert!(jiff::Timestamp::from_millisecond(line.time_ms).is_ok());
        let _ = classify(&line);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(
        format in 0..FIXTURES.len(),
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8),
    ) {
        let mut parser = Parser::new();
        // Half of the runs begin with a good line, so that every format sees the bytes.
        for line in FIXTURES[format].split(|byte| *byte == b'\n').take(format % 3) {
            parser.parse(line);
        }
        for line in lines {
            check(parser.parse(&line));
        }
    }

    #[test]
    fn changed_lines_are_read_without_a_panic(
        format in 0..FIXTURES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4, any::<u8>()), 1..12),
    ) {
        let mut log = FIXTURES[format].to_vec();
        for (index, how, byte) in changes {
            let at = index.index(log.len());
            match how {
                0 => log[at] = byte,
                1 => log.insert(at, byte),
                2 => log[at] = b"\" []{}%\\#\t-:/"[usize::from(byte) % 13],
                _ => drop(log.remove(at)),
            }
        }
        let mut parser = Parser::new();
        for line in log.split(|byte| *byte == b'\n') {
            check(parser.parse(line));
        }
    }

    #[test]
    fn written_lines_are_read_back(
        target in "/[!-~&&[^\\\\\"]]{0,30}",
        agent in "[ -~]{1,40}",
        seconds in 0..4_000_000_000_i64,
        status in 100..600_u16,
    ) {
        prop_assume!(agent != "-");
        let time = jiff::Timestamp::from_second(seconds).unwrap();
        let time = time.strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        let escaped = agent.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!("192.0.2.1 - - [{time}] \"GET {target} HTTP/1.1\" {status} 7 \"-\" \"{escaped}\"");
        let expected = LogLine {
            ip: Some("192.0.2.1".into()),
            time_ms: seconds * 1000,
            method: "GET".into(),
            target,
            status: Some(status),
            bytes: Some(7),
            user_agent: Some(agent),
            ..LogLine::default()
        };
        prop_assert_eq!(Parser::new().parse(line.as_bytes()), Parsed::Line(expected));
    }
}
