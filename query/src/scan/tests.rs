mod groups;
mod made_up;
mod memory;
mod naive;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use jiff::civil::date;
use jiff::tz::TimeZone;
use lake::assemble::assemble;
use lake::columns::COLUMNS;
use lake::goals::Goals;
use lake::layout::{self, Holds};
use lake::orders::Orders;
use lake::parquet_file;
use lake::store::memory::MemoryStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use proptest::prelude::*;

use super::*;
use crate::answer::csv_body;
use crate::calendar::Calendar;
use crate::metric::METRICS;
use crate::plan::needs_hours;
use crate::question::{Question, Surroundings};
use crate::work::Work;
use made_up::{hits, many};
use naive::{NAIVE, Naive};

const DAY: Date = date(2026, 11, 24);

async fn put(store: &StoreRef, path: &Path, rows: &RecordBatch, holds: &Holds) {
    store.put(path, parquet_file::encode(rows, holds).unwrap().into()).await.unwrap();
}

/// A store whose table has the hits of `merged` and whose hot objects have the rest.
async fn store(merged: &[u64], waiting: &[Vec<u64>]) -> StoreRef {
    let waiting: Vec<RecordBatch> = waiting.iter().map(|seeds| hits(seeds)).collect();
    store_of(&hits(merged), &waiting, None).await
}

/// The same, whose table has row groups of so many rows.
async fn store_of(
    merged: &RecordBatch,
    waiting: &[RecordBatch],
    group_rows: Option<usize>,
) -> StoreRef {
    let store: StoreRef = Arc::new(MemoryStore::new());
    let mut holds = Holds::default();
    if merged.num_rows() > 0 {
        let held = layout::hot_object(DAY, "shard", "0", "0");
        put(&store, &held, merged, &Holds::default()).await;
        holds.0.insert(layout::name_hash(&held), 1);
        let rows = assemble(merged, &Goals::default()).unwrap().rows;
        let mut bytes = parquet_file::encode(&rows, &holds).unwrap();
        if let Some(group_rows) = group_rows {
            bytes = groups::laid_out(bytes, group_rows, 2);
        }
        store.put(&layout::table_object(DAY, 0), bytes.into()).await.unwrap();
    }
    for (at, rows) in waiting.iter().enumerate().filter(|(_, rows)| rows.num_rows() > 0) {
        let path = layout::hot_object(DAY, "shard", &format!("{}", at + 1), "9");
        put(&store, &path, rows, &Holds::default()).await;
    }
    store
}

fn question(query: &str) -> Question {
    Question::parse(
        query,
        &Surroundings { sites: &[1], today: &|_| DAY, sections: &[], segments: &[] },
    )
    .unwrap()
}

fn plan(site: i32, question: &Question) -> Plan {
    let zone_of = |_| question.tz.clone().unwrap_or(TimeZone::UTC);
    let calendar = Calendar::new(
        (question.from, question.to),
        question.interval,
        &zone_of,
        question.tz.is_some(),
        needs_hours(question) || question.interval == crate::calendar::Interval::Hour,
    );
    Plan::new(site, question, calendar)
}

async fn ask(scanner: &Scanner, question: &Question) -> (Arc<Plan>, Scanned) {
    let plan = Arc::new(plan(1, question));
    let beside = [DAY.yesterday().unwrap(), DAY, DAY.tomorrow().unwrap()];
    let sites = [(Arc::clone(&plan), beside.to_vec())];
    let listed = scanner.list(&sites, None).await.unwrap();
    let scanned = scanner.scan(&sites, listed, &scanner.memory()).await.unwrap();
    (plan, scanned)
}

/// The answer as text: rows and totals.
async fn answer(scanner: &Scanner, query: &str) -> String {
    let question = question(query);
    let (plan, scanned) = ask(scanner, &question).await;
    let csv = csv_body(&question, &plan, &scanned.counted, None).body;
    format!("{}{:?}", String::from_utf8(csv).unwrap(), scanned.counted.totals)
}

fn questions() -> Vec<String> {
    let all: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let all = all.join(",");
    [
        "from=2026-11-24",
        "from=2026-11-23&to=2026-11-24&interval=hour&bots=include",
        "from=2026-11-24&by=page&bots=include&limit=1000",
        "from=2026-11-24&by=country,device&interval=hour",
        "from=2026-11-24&by=channel,visitor_type,section&section=/news&bots=include",
        "from=2026-11-24&by=event_category&bots=only",
        "from=2026-11-24&by=duration_band,goal",
        "from=2026-11-24&tz=Asia/Kolkata&interval=day&by=hour_of_day,weekday&bots=include",
        "from=2026-11-24&filter=country==x,device!=y;title=@x&by=page",
        "from=2026-11-24&bots=include&by=page\
         &filter=pageUrl=@news;pageTitle==x,countryCode!=y;visited_path!=/;events<2,exitPageTitle!=x",
        "from=2026-11-24&tz=Pacific/Auckland&interval=hour&order=-visits&limit=3&by=entry_page",
    ]
    .iter()
    .map(|query| format!("{query}&metrics={all}"))
    .collect()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn waiting_hits_are_answered_as_if_they_were_merged(
        seeds in proptest::collection::vec((any::<u64>(), 0_usize..5), 0..70),
        group_rows in proptest::option::of(1_usize..9),
    ) {
        let part = |wanted: &dyn Fn(usize) -> bool| -> Vec<u64> {
            seeds.iter().filter(|(_, part)| wanted(*part)).map(|(seed, _)| *seed).collect()
        };
        let apart = part(&|part| part < 3);
        let waiting = [part(&|part| part == 3), part(&|part| part == 4)].map(|seeds| hits(&seeds));
        run(async {
            let split = Scanner::new(store_of(&hits(&apart), &waiting, group_rows).await);
            let merged = Scanner::new(store(&part(&|_| true), &[]).await);
            for query in questions() {
                assert_eq!(answer(&split, &query).await, answer(&merged, &query).await, "{query}");
            }
        });
    }

    #[test]
    fn a_naive_count_gives_the_same(
        seeds in proptest::collection::vec(any::<u64>(), 0..70),
        group_rows in proptest::option::of(1_usize..9),
    ) {
        let rows = Naive::of(&assemble(&hits(&seeds), &Goals::default()).unwrap().rows);
        run(async {
            let scanner = Scanner::new(store_of(&hits(&seeds), &[], group_rows).await);
            for (dimension, column) in
                [("country", "country"), ("channel", "channel"), ("title", "title")]
            {
                let query = format!("from=2026-11-24&by={dimension}&limit=9&metrics={}", NAIVE.join(","));
                let question = question(&query);
                let (_, scanned) = ask(&scanner, &question).await;
                let ours: BTreeMap<String, Vec<f64>> = scanned
                    .counted
                    .rows
                    .iter()
                    .map(|row| (format!("{:?}", row.by[0]), row.metrics.iter().map(|it| it.unwrap()).collect()))
                    .collect();
                assert_eq!(ours, rows.by(Some(column)), "{column}");
                let totals: Vec<f64> = scanned.counted.totals.iter().map(|it| it.unwrap()).collect();
                assert_eq!(totals, rows.by(None).remove("all").unwrap_or(vec![0.0; NAIVE.len()]));
            }
        });
    }
}

#[test]
fn a_date_replaced_while_it_is_read_is_read_again() {
    let seeds: Vec<u64> = (0..50).collect();
    run(async {
        let store = store(&seeds[..30], &[]).await;
        let path = layout::table_object(DAY, 0);
        let listed = store.head(&path).await.unwrap();
        let rows = assemble(&hits(&seeds), &Goals::default()).unwrap().rows;
        put(&store, &path, &rows, &Holds::default()).await;
        let footers = Footers::new(QUERY_FOOTER_CACHE_BYTES);
        let opened = open::table(&store, &footers, &listed, &Arc::default()).await;
        assert!(matches!(opened, Err(ScanError::Replaced(_))), "{opened:?}");
        let scanner = Scanner::new(Arc::clone(&store));
        let plan = ask(&scanner, &question("from=2026-11-24")).await.0;
        let objects = list::Objects { parts: vec![listed], hot: Vec::new() };
        let pool = Arc::new(Pool::new(&plan, &scanner.memory()));
        date::count(&scanner, &plan, (DAY, &Orders::default()), (objects, None), &pool)
            .await
            .unwrap();
        let sites = [(Arc::clone(&plan), vec![DAY])];
        let listed = scanner.list(&sites, None).await.unwrap();
        let again = scanner.scan(&sites, listed, &scanner.memory()).await.unwrap();
        assert_eq!(pool.take_counted(&scanner.threads).await.unwrap().totals, again.counted.totals);
    });
}

#[test]
fn what_waits_is_opened_once_for_all_sites() {
    let seeds: Vec<u64> = (0..50).collect();
    run(async {
        let scanner = Scanner::new(store(&seeds[..30], &[seeds[30..].to_vec()]).await);
        let (question, work) = (question("from=2026-11-24"), Arc::new(Work::default()));
        let of = |site| Plan { work: Arc::clone(&work), ..plan(site, &question) };
        let sites = [1, 2, 3].map(|site| (Arc::new(of(site)), vec![DAY]));
        let listed = scanner.list(&sites, None).await.unwrap();
        let scanned = scanner.scan(&sites, listed, &scanner.memory()).await.unwrap();
        assert!(scanned.waiting.contains(&DAY));
        assert_eq!(work.explained()["objects"], 2);
    });
}

#[test]
fn the_site_is_the_column_whose_statistics_are_read() {
    assert_eq!(COLUMNS[open::SITE].name, "site");
}
