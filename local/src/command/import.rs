//! `hitlake import`: log lines become hits by the same steps as beacons.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{ProgressBar, ProgressStyle};
use ingest::draft::{Draft, Request};
use ingest::handler::Ingest;
use lake::dropped::Dropped;
use lake::hit::{Hit, Kind};
use lake::limits::MAX_HIT_AHEAD_MS;
use lake::token::Token;

use crate::cli::ImportArgs;
use crate::error::{Interrupted, Usage};
use crate::import::classify::{Class, Reason, classify};
use crate::import::format::Parser;
use crate::import::source::{Ahead, Line};
use crate::import::{LogLine, Parsed, id::hit_id};
use crate::place::Place;

#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    hits: BTreeMap<&'static str, u64>,
    dropped: BTreeMap<&'static str, u64>,
    /// Lines that never became hits and that the ledger does not know of yet.
    untold: BTreeMap<&'static str, u64>,
    /// Times of the first and the last hit, Unix milliseconds.
    span_ms: Option<(i64, i64)>,
}

impl Counts {
    fn reach(&mut self, ts_ms: i64) {
        let (first, last) = self.span_ms.unwrap_or((ts_ms, ts_ms));
        self.span_ms = Some((first.min(ts_ms), last.max(ts_ms)));
    }
}

/// Imports the files; returns when answers show their hits.
///
/// # Errors
///
/// When a site is unknown (exit code 2), a file cannot be read, or the stream takes no hits.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, args: &ImportArgs) -> anyhow::Result<()> {
    let site = lake::site::read_site(&place.store, args.site)
        .await
        .map_err(|error| Usage(error.to_string()))?;
    let entry = place.entry().await?;
    let importer = Importer {
        ingest: place.ingest(entry.stream()),
        host: site.settings.hosts.first().cloned(),
        site: args.site,
        request: Request {
            received_ms: place.clock.now_ms(),
            writes: Some(owner()),
            ..Request::default()
        },
    };
    let mut counts = Counts::default();
    let work = async {
        for file in &args.files {
            importer
                .file(file, &mut counts)
                .await
                .with_context(|| format!("importing {}", file.display()))?;
        }
        entry.drain().await
    };
    let ended = tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
    };
    // What is left of a file that was not read to its end.
    importer.tell(&mut counts.untold).await;
    print(&counts);
    ended?;
    // Logs are often older than the days that a question takes by default.
    if let Some((first, last)) = counts.span_ms {
        let (from, to) = (site.local_date(first), site.local_date(last));
        println!("the numbers: hitlake query {} --from {from} --to {to}", args.site);
    }
    Ok(())
}

/// Who runs the program on the store's own machine owns it.
const fn owner() -> Token {
    Token {
        sha256: String::new(),
        read: true,
        write: true,
        sites: None,
        created_ms: 0,
        expires: None,
    }
}

struct Importer {
    ingest: Ingest,
    host: Option<String>,
    site: i32,
    request: Request,
}

impl Importer {
    async fn file(&self, file: &Path, counts: &mut Counts) -> anyhow::Result<()> {
        let Ahead { progress, mut lots } = Ahead::open(file).await?;
        let bar = bar(progress.total());
        let mut parser = Parser::new();
        while let Some(lot) = lots.recv().await {
            let lot = lot?;
            let drafts = lot.iter().filter_map(|line| self.draft(&mut parser, line, counts));
            let drafts = drafts.collect();
            self.put(drafts, counts).await?;
            bar.set_position(progress.read());
        }
        self.tell(&mut counts.untold).await;
        bar.finish_and_clear();
        Ok(())
    }

    fn draft(&self, parser: &mut Parser, line: &Line, counts: &mut Counts) -> Option<Draft> {
        let Counts { lines, dropped, untold, .. } = counts;
        let mut drop = |reason: Reason| {
            *dropped.entry(reason.name()).or_default() += 1;
            *untold.entry(reason.name()).or_default() += 1;
        };
        if line.too_long {
            *lines += 1;
            drop(Reason::Unreadable);
            return None;
        }
        let parsed = match parser.parse(&line.bytes) {
            Parsed::Skip => return None,
            Parsed::Unreadable(_) => {
                *lines += 1;
                drop(Reason::Unreadable);
                return None;
            }
            Parsed::Line(parsed) => parsed,
        };
        *lines += 1;
        // A beacon's time ahead becomes that of its receipt; a line's would be another at each import,
        // and the hit another date's.
        if parsed.time_ms > self.request.received_ms + MAX_HIT_AHEAD_MS {
            drop(Reason::Clock);
            return None;
        }
        let kind = match classify(&parsed) {
            Class::Pageview => Kind::Pageview,
            Class::Download => Kind::Download,
            Class::Dropped(reason) => {
                drop(reason);
                return None;
            }
        };
        Some(self.hit(parsed, kind, line))
    }

    fn hit(&self, parsed: LogLine, kind: Kind, line: &Line) -> Draft {
        let host = parsed.host.or_else(|| self.host.clone());
        let url = match &host {
            Some(host) => {
                format!("{}://{host}{}", parsed.scheme.as_deref().unwrap_or("http"), parsed.target)
            }
            None => parsed.target.clone(),
        };
        let target = (kind == Kind::Download).then(|| url.clone());
        Draft {
            site: self.site.into(),
            id: Some(hit_id(&line.bytes, line.number)),
            ts: Some(parsed.time_ms),
            url: Some(url),
            referrer: parsed.referrer,
            ip: parsed.ip.and_then(|ip| ip.parse().ok()),
            user_agent: parsed.user_agent,
            hit: Hit { kind, target, status: parsed.status.map(i32::from), ..Hit::default() },
            ..Draft::default()
        }
    }

    /// Tells the ledger of lines that became no hits.
    async fn tell(&self, untold: &mut BTreeMap<&'static str, u64>) {
        let mut dropped = Dropped::received(self.request.received_ms);
        for (reason, count) in std::mem::take(untold) {
            dropped.add(self.site, reason, count);
        }
        self.ingest.tell(&dropped).await;
    }

    async fn put(&self, drafts: Vec<Draft>, counts: &mut Counts) -> anyhow::Result<()> {
        drafts.iter().filter_map(|draft| draft.ts).for_each(|ts| counts.reach(ts));
        let outcome =
            self.ingest.accept(drafts.into_iter().map(Ok).collect(), &self.request).await?;
        for (kind, hits) in outcome.kinds {
            *counts.hits.entry(kind).or_default() += hits as u64;
        }
        for (reason, hits) in outcome.dropped {
            *counts.dropped.entry(reason.name()).or_default() += hits as u64;
        }
        Ok(())
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    ProgressStyle::with_template(template).map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(counts: &Counts) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["", "count"]);
    table.add_row(["lines".to_owned(), counts.lines.to_string()]);
    for (kind, count) in &counts.hits {
        table.add_row([format!("hits: {kind}"), count.to_string()]);
    }
    for (reason, count) in &counts.dropped {
        table.add_row([format!("dropped: {reason}"), count.to_string()]);
    }
    println!("{table}");
}
