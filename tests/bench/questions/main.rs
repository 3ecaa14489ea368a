//! The table that questions are timed on, and Hitlake as one of those who answer.
//!
//! `questions generate FOLDER HITS` makes 90 dates of hits and merges them, as the merge function
//! does. `questions answer FOLDER DELAY_MS` takes one question a line (a path of the API) and gives
//! one line with the answer's body, the calls to the store and how many of them were in sequence.
//! `tests/bench/questions.py` builds it, asks, and asks the others the same.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a bench")]

#[path = "../../../compact/benches/generated/mod.rs"]
mod generated;

mod distant;
mod traffic;

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use compact::merge::{Merge, Request};
use distant::DistantStore;
use jiff::civil::Date;
use lake::clock::{Clock, ManualClock, SeededRandom};
use lake::layout::{self, Holds};
use lake::limits::SETTINGS_TTL_MS;
use lake::parquet_file::encode;
use lake::site::{SiteCache, SiteSettings, put_site};
use lake::store::StoreRef;
use lake::store::folder::FolderStore;
use lake::token::{TokenCache, add_token};
use object_store::ObjectStoreExt as _;
use query::handler::Query;
use serde_json::json;

const DATES: i32 = 90;
const FIRST: Date = jiff::civil::date(2026, 8, 1);
/// Noon of the day after the last date.
const NOW_MS: i64 = 1_793_361_600_000;
const SEED: u64 = 20_261_128;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match args.as_slice() {
        ["generate", folder, hits] => {
            runtime.block_on(generate(Path::new(folder), hits.parse().unwrap()));
        }
        ["answer", folder, delay_ms] => {
            let delay = Duration::from_millis(delay_ms.parse().unwrap());
            runtime.block_on(answer(Path::new(folder), delay));
        }
        _ => println!("give: generate FOLDER HITS, or: answer FOLDER DELAY_MS"),
    }
}

fn open(folder: &Path) -> StoreRef {
    Arc::new(FolderStore::open(&folder.join("store")).unwrap())
}

async fn generate(folder: &Path, hits: u64) {
    let store = open(folder);
    for site in 1..=traffic::SITES {
        let settings = json!({"id": site, "name": format!("Site {site}")}).to_string();
        put_site(&store, &SiteSettings::parse(&settings).unwrap(), NOW_MS, false).await.unwrap();
    }
    let token = add_token(&store, &SeededRandom::new(SEED), NOW_MS, (true, false), None).await;
    std::fs::write(folder.join("token"), token.unwrap()).unwrap();
    let dates: Vec<Date> =
        (0..DATES).map(|day| FIRST.checked_add(jiff::Span::new().days(day)).unwrap()).collect();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
    let mut merge = Merge::new(Arc::clone(&store), clock, folder.join("scratch"));
    // A date of ten millions' ninetieth fits.
    merge.memory_bytes = 1 << 30;
    let (merge, store) = (&merge, &store);
    let one = async |date: Date| {
        let rows = tokio::task::spawn_blocking(move || {
            let hits = traffic::of_date(date, hits / u64::from(DATES.unsigned_abs()), SEED);
            encode(&generated::batch(&hits), &Holds::default()).unwrap()
        });
        let hot = layout::hot_object(date, "shardId-0", "0", "0");
        store.put(&hot, rows.await.unwrap().into()).await.unwrap();
        merge.handle(Request::of(vec![date])).await.unwrap();
        store.delete(&hot).await.unwrap();
    };
    for pair in dates.chunks(2) {
        futures_util::future::join_all(pair.iter().map(|date| one(*date))).await;
    }
}

async fn answer(folder: &Path, delay: Duration) {
    let token = std::fs::read_to_string(folder.join("token")).unwrap();
    let distant = DistantStore::new(open(folder), delay);
    let store: StoreRef = Arc::new(distant.clone());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
    let sites = SiteCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
    let tokens = TokenCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
    let query = Query::new(store, sites, tokens, clock);
    for line in std::io::stdin().lock().lines() {
        let answer = query.handle(event(&line.unwrap(), &token)).await;
        let (calls, in_sequence, _) = distant.take_counts();
        let body = serde_json::to_value(&answer.body).unwrap();
        let line = json!({
            "status": answer.status_code, "body": body,
            "calls": calls, "in_sequence": in_sequence,
        });
        println!("{line}");
        std::io::stdout().flush().unwrap();
    }
}

fn event(target: &str, token: &str) -> ApiGatewayV2httpRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let event = json!({
        "version": "2.0", "routeKey": format!("GET {path}"), "rawPath": path,
        "rawQueryString": query, "isBase64Encoded": false,
        "headers": {"authorization": format!("Bearer {token}")},
        "requestContext": {"stage": "$default", "timeEpoch": NOW_MS, "http": {
            "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9",
        }},
    });
    serde_json::from_value(event).unwrap()
}
