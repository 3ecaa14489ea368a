//! `/live`: the visitors and page views of the last minutes, and the newest hits.
//!
//! Read like every question: the table and what waits, people alone. The day is the site's own, so
//! that within half an hour after midnight two partitions are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;
use lake::hit::Kind;
use lake::limits::{LIVE_HITS, LIVE_MINUTES};
use lake::site::Site;
use serde_json::{Value as Json, json};

use crate::calendar::{Calendar, Interval};
use crate::count::columns::{Codes, Flags, texts, times};
use crate::handler::{Answered, Failed, JSON, Query, failed_scan};
use crate::plan::Plan;
use crate::question::{Parameters, Question, Surroundings};

const MINUTE_MS: i64 = 60_000;
/// Minutes of the shorter count.
const FEW_MINUTES: i64 = 5;
const COLUMNS: [&str; 9] =
    ["ts", "visitor_id", "kind", "path", "title", "country", "device", "bot_reason", "is_derived"];
/// What is shown of a hit: nothing that tells who it was.
const SHOWN: [&str; 5] = ["kind", "path", "title", "country", "device"];

/// A hit of the last minutes.
struct Hit {
    ts_ms: i64,
    visitor: Option<String>,
    kind: Option<Kind>,
    shown: [Option<String>; SHOWN.len()],
}

impl Query {
    /// Answers what happens on a site just now.
    pub(crate) async fn live(&self, id: i32) -> Result<Answered, Failed> {
        let site = self.site(id).await?;
        let now_ms = self.clock.now_ms();
        let start_ms = now_ms - LIVE_MINUTES * MINUTE_MS;
        let mut dates = vec![site.local_date(start_ms)];
        dates.extend(Some(site.local_date(now_ms)).filter(|date| !dates.contains(date)));
        let plan = Arc::new(plan(&site, now_ms)?);
        let rows = self.scanner.rows(&plan, &dates).await.map_err(|error| failed_scan(&error))?;
        let mut recent = Vec::new();
        for rows in &rows {
            add(rows, start_ms, &mut recent).map_err(|error| failed_scan(&error.into()))?;
        }
        let body = body(&site, &mut recent, now_ms).to_string();
        Ok(Answered::new(200, JSON, body))
    }
}

/// Reads some columns of today's rows.
fn plan(site: &Site, now_ms: i64) -> Result<Plan, Failed> {
    let id = site.settings.id;
    let today = site.local_date(now_ms);
    let surroundings =
        Surroundings { sites: &[id], today: &|_| today, sections: &[], segments: &[] };
    let question = Question::from_parameters(&Parameters::default(), &surroundings)?;
    let zone_of = |_| site.zone_at(now_ms);
    let calendar = Calendar::new((today, today), Interval::None, &zone_of, false, false);
    let goals = site.settings.goals.clone();
    Ok(Plan { columns: COLUMNS.to_vec(), goals, ..Plan::new(id, &question, calendar) })
}

/// Adds the hits of people since `start_ms`.
fn add(rows: &RecordBatch, start_ms: i64, recent: &mut Vec<Hit>) -> Result<(), ArrowError> {
    let bots = Codes::of(rows, "bot_reason")?;
    let derived = Flags::of(rows, "is_derived")?;
    let visitors = texts(rows, "visitor_id")?;
    let [kinds, paths, titles, countries, devices] = SHOWN.map(|name| Codes::of(rows, name));
    let shown = [kinds?, paths?, titles?, countries?, devices?];
    for (row, ts_us) in times(rows, "ts")?.iter().enumerate() {
        let ts_ms = ts_us.div_euclid(1000);
        if ts_ms <= start_ms {
            continue;
        }
        if bots.code(row).is_some() || derived.get(row).unwrap_or_default() {
            continue;
        }
        let texts = shown.each_ref().map(|codes| {
            let code = codes.code(row)?;
            codes.text(code).map(str::to_owned)
        });
        recent.push(Hit {
            ts_ms,
            visitor: visitors.is_valid(row).then(|| visitors.value(row).to_owned()),
            kind: texts.first().and_then(Option::as_deref).and_then(Kind::parse),
            shown: texts,
        });
    }
    Ok(())
}

/// The counts go back from this very moment; the minutes are those of the clock, this one included.
fn body(site: &Site, recent: &mut [Hit], now_ms: i64) -> Json {
    let between = |from_ms: i64, until_ms: i64| {
        let of = recent.iter().filter(|hit| (from_ms..until_ms).contains(&hit.ts_ms));
        let visitors: BTreeSet<&String> =
            of.clone().filter_map(|hit| hit.visitor.as_ref()).collect();
        let pageviews = of.filter(|hit| hit.kind == Some(Kind::Pageview)).count();
        json!({"visitors": visitors.len(), "pageviews": pageviews})
    };
    let last = |minutes: i64| between(now_ms - minutes * MINUTE_MS + 1, i64::MAX);
    let (last_5, last_30) = (last(FEW_MINUTES), last(LIVE_MINUTES));
    let this_minute = now_ms.div_euclid(MINUTE_MS);
    let minutes = (this_minute - LIVE_MINUTES + 1..=this_minute).map(|minute| {
        let at_ms = minute * MINUTE_MS;
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let local = at.to_zoned_datetime(site.zone_at(at_ms));
        let mut counts = between(at_ms, at_ms + MINUTE_MS);
        if let Some(counts) = counts.as_object_mut() {
            let time = local.strftime("%Y-%m-%dT%H:%M:00%:z").to_string();
            counts.shift_insert(0, "time".to_owned(), json!(time));
        }
        counts
    });
    let minutes: Vec<Json> = minutes.collect();
    recent.sort_by_key(|hit| std::cmp::Reverse(hit.ts_ms));
    let newest = recent.iter().filter(|hit| hit.kind != Some(Kind::Ping)).take(LIVE_HITS);
    let newest: Vec<Json> = newest.map(shown).collect();
    json!({"last_5": last_5, "last_30": last_30, "minutes": minutes, "hits": newest})
}

fn shown(hit: &Hit) -> Json {
    let ts = jiff::Timestamp::from_millisecond(hit.ts_ms).unwrap_or_default();
    let mut shown = json!({"ts": ts.to_string()});
    if let Some(shown) = shown.as_object_mut() {
        let texts = SHOWN.into_iter().zip(&hit.shown);
        shown.extend(texts.map(|(name, text)| (name.to_owned(), json!(text))));
    }
    shown
}
