mod groups;
mod memory;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::util::display::array_value_to_string;
use jiff::civil::date;
use jiff::tz::TimeZone;
use lake::assemble::assemble;
use lake::columns::{COLUMNS, Column, Type, schema_for_reading};
use lake::goals::Goals;
use lake::hit::{HitId, Id64, Kind};
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

const DAY: Date = date(2026, 11, 24);
/// 2026-11-24T06:00:00Z.
const START_US: i64 = 1_795_500_000_000_000;

/// A number that belongs to a row and a column.
fn drawn(seed: u64, column: &str, below: u64) -> u64 {
    let mut z = column.bytes().fold(seed, |z, byte| {
        (z ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    });
    z = (z ^ (z >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 33)) % below
}

/// Made-up hits, one a seed, with something in every raw column.
fn hits(seeds: &[u64]) -> RecordBatch {
    let columns = COLUMNS.iter().map(|column| {
        if column.of_visit {
            new_null_array(&column.kind.arrow_for_reading(), seeds.len())
        } else {
            made_up(column, seeds)
        }
    });
    RecordBatch::try_new(schema_for_reading(), columns.collect()).unwrap()
}

fn made_up(column: &Column, seeds: &[u64]) -> ArrayRef {
    let name = column.name;
    if name == "own_timings" {
        return new_null_array(&column.kind.arrow_for_reading(), seeds.len());
    }
    let draw = |below| seeds.iter().map(move |seed| drawn(*seed, name, below));
    let text = |seed: &u64| -> Option<String> {
        let one_of = |texts: &[&str]| {
            let at = drawn(*seed, name, texts.len() as u64) as usize;
            Some(texts[at].to_owned()).filter(|text| !text.is_empty())
        };
        match name {
            "hit_id" => Some(HitId(u128::from(drawn(*seed, name, 40))).to_string()),
            "fingerprint" => Some(Id64(drawn(*seed, name, 8)).to_string()),
            "client_id" => {
                let id = drawn(*seed, name, 9);
                (id < 5).then(|| Id64(id + 100).to_string())
            }
            "kind" => one_of(&Kind::ALL.map(Kind::name)),
            "path" => one_of(&["", "/", "/news", "/news/x", "/newsletter"]),
            "query" | "user_id" => one_of(&["", "", "", "a=1", "b"]),
            "bot_reason" => one_of(&["", "", "", "", "robot"]),
            "hit_channel" => one_of(&["direct", "direct", "internal", "website", "campaign"]),
            "hit_campaign" => one_of(&["", "", "", "c1", "c2"]),
            _ => one_of(&["", "x", "y"]),
        }
    };
    let texts = || seeds.iter().map(text).collect::<StringArray>();
    match column.kind {
        Type::Text => cast(&texts(), &column.kind.arrow_for_reading()).unwrap(),
        Type::Id => Arc::new(texts()),
        Type::Int if name == "site" => {
            Arc::new(draw(2).map(|it| Some(it as i32 + 1)).collect::<Int32Array>())
        }
        Type::Int => {
            Arc::new(draw(6).map(|it| (it < 5).then_some(it as i32 * 7)).collect::<Int32Array>())
        }
        Type::Long => Arc::new(draw(5).map(|it| Some(it as i64 * 333)).collect::<Int64Array>()),
        Type::Double => {
            Arc::new(draw(5).map(|it| Some(it as f64 * 0.25)).collect::<Float64Array>())
        }
        Type::Bool => Arc::new(draw(9).map(|it| Some(it == 0)).collect::<BooleanArray>()),
        Type::Time => {
            let (steps, step_us) = if name == "ts" { (150, 420_000_000) } else { (3, 1) };
            let times = draw(steps).map(|it| Some(START_US + it as i64 * step_us));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    }
}

/// Made-up hits, each with an id of its own.
fn many(seeds: &[u64]) -> RecordBatch {
    let ids = seeds.iter().map(|seed| Some(HitId(u128::from(*seed) + 1000).to_string()));
    let ids: ArrayRef = Arc::new(ids.collect::<StringArray>());
    let (schema, mut columns, _) = hits(seeds).into_parts();
    columns[schema.index_of("hit_id").unwrap()] = ids;
    RecordBatch::try_new(schema, columns).unwrap()
}

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

const NAIVE: [&str; 12] = [
    "hits",
    "pageviews",
    "unique_pageviews",
    "visits",
    "visitors",
    "actions",
    "bounces",
    "visit_duration",
    "converted_visits",
    "revenue",
    "time_on_page",
    "users",
];

/// The table's rows as texts, counted as docs/DEFINITIONS.md says in SQL.
struct Naive(Vec<BTreeMap<&'static str, Option<String>>>);

impl Naive {
    fn of(rows: &RecordBatch) -> Self {
        let row = |row: usize| {
            let cell = |column: &'static Column| {
                let array = rows.column_by_name(column.name).unwrap();
                let numbers = column.kind == Type::Time;
                let text = (!numbers && array.is_valid(row))
                    .then(|| array_value_to_string(array, row).unwrap());
                (column.name, text)
            };
            COLUMNS.iter().map(cell).collect()
        };
        Self((0..rows.num_rows()).map(row).collect())
    }

    fn by(&self, column: Option<&str>) -> BTreeMap<String, Vec<f64>> {
        let ours = self.0.iter().filter(|row| row["site"].as_deref() == Some("1"));
        let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for row in ours.filter(|row| row["bot_reason"].is_none()) {
            let value = column.map_or("all".to_owned(), |column| match &row[column] {
                Some(text) => format!("Text({text:?})"),
                None => "Null".to_owned(),
            });
            groups.entry(value).or_default().push(row);
        }
        groups.into_iter().map(|(value, rows)| (value, self.count(&rows))).collect()
    }

    fn count(&self, rows: &[&BTreeMap<&'static str, Option<String>>]) -> Vec<f64> {
        let kind = |kind: &str| {
            let kind = kind.to_owned();
            rows.iter().filter(move |row| row["kind"].as_deref() == Some(&kind))
        };
        let number =
            |text: &Option<String>| text.as_ref().map_or(0.0, |it| it.parse::<f64>().unwrap());
        let distinct = |column: &str| {
            rows.iter().filter_map(|row| row[column].clone()).collect::<BTreeSet<_>>().len() as f64
        };
        let visits: BTreeMap<String, (f64, f64, f64)> = rows
            .iter()
            .filter_map(|row| {
                let bounce = f64::from(row["is_bounce"].as_deref() == Some("true"));
                let values =
                    (number(&row["visit_actions"]), bounce, number(&row["visit_duration_s"]));
                Some((row["visit_id"].clone()?, values))
            })
            .collect();
        let is = |row: &BTreeMap<_, Option<String>>, flag| row[flag].as_deref() == Some("true");
        let converted: BTreeSet<&String> = self
            .0
            .iter()
            .filter(|row| is(row, "is_conversion"))
            .filter_map(|row| row["visit_id"].as_ref())
            .collect();
        let paid = rows.iter().filter(|row| is(row, "is_conversion"));
        vec![
            rows.iter().filter(|row| !is(row, "is_derived")).count() as f64,
            kind("pageview").count() as f64,
            kind("pageview")
                .filter_map(|row| row["visit_id"].clone())
                .collect::<BTreeSet<_>>()
                .len() as f64,
            visits.len() as f64,
            distinct("visitor_id"),
            visits.values().map(|visit| visit.0).sum(),
            visits.values().map(|visit| visit.1).sum(),
            visits.values().map(|visit| visit.2).sum(),
            visits.keys().filter(|visit| converted.contains(visit)).count() as f64,
            paid.map(|row| number(&row["revenue"])).sum(),
            kind("pageview").chain(kind("search")).map(|row| number(&row["time_on_page_s"])).sum(),
            distinct("user_id"),
        ]
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
        assert_eq!(pool.take_counted().totals, again.counted.totals);
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
fn what_a_question_reads_is_known_before() {
    let seeds: Vec<u64> = (0..500).collect();
    run(async {
        let store = store(&seeds, &[]).await;
        let scanner = Scanner::new(Arc::clone(&store));
        let size = store.head(&layout::table_object(DAY, 0)).await.unwrap().size;
        let reads_more = async |query: &str, bytes: u64| {
            let plan = Arc::new(plan(1, &question(query)));
            let sites = [(plan, vec![DAY])];
            let listed = scanner.list(&sites, None).await.unwrap();
            scanner
                .reads_more(&[(&sites, &listed), (&[], &Listed::default())], bytes)
                .await
                .unwrap()
        };
        let few = "from=2026-11-24&metrics=hits";
        let most = "from=2026-11-24&metrics=visitors,users&by=page,browser,city";
        let needed = async |query: &str| {
            let mut bytes = 0;
            while reads_more(query, bytes).await {
                bytes += 1;
            }
            assert!(bytes < size && !reads_more(query, bytes + 1).await, "{query}: {bytes}");
            bytes
        };
        let (few, most) = (needed(few).await, needed(most).await);
        assert!(0 < few && few < most, "{few} and {most} bytes");
    });
}

#[test]
fn the_standing_of_the_table_is_known_without_reading_it() {
    run(async {
        let plan = Arc::new(plan(1, &question("from=2026-11-24")));
        let sites = [(plan, vec![DAY])];
        let standing = async |store: &StoreRef| {
            let scanner = Scanner::new(Arc::clone(store));
            let listed = scanner.list(&sites, None).await.unwrap();
            scanner.standing(&sites, &listed).await.unwrap()
        };
        let merged = standing(&store(&[1, 2, 3], &[]).await).await;
        assert_eq!((merged.first, merged.unerased, merged.waiting.len()), (Some(DAY), None, 0));
        assert!(merged.objects.len() == 1 && merged.written_ms.is_some());
        let waits = store(&[1, 2, 3], &[vec![4]]).await;
        assert_eq!(standing(&waits).await.waiting, BTreeSet::from([DAY]));
        let hot_alone = standing(&store(&[], &[vec![4]]).await).await;
        assert_eq!((hot_alone.first, hot_alone.objects.len()), (None, 0));
        assert_eq!(hot_alone.waiting, BTreeSet::from([DAY]));
        // An order of the other site, and one of dates before, have nothing to do with it.
        for (id, order, unerased) in [
            (
                "3-0-0",
                r#"{"site":3,"whom":{"before":"2026-11-25"},"before_ms":9,"given_ms":9}"#,
                None,
            ),
            (
                "1-0-1",
                r#"{"site":1,"whom":{"before":"2026-11-24"},"before_ms":9,"given_ms":9}"#,
                None,
            ),
            (
                "1-0-2",
                r#"{"site":1,"whom":{"before":"2026-11-25"},"before_ms":9,"given_ms":9}"#,
                Some(DAY),
            ),
        ] {
            let path = Path::from(format!("orders/{id}.json"));
            waits.put(&path, order.into()).await.unwrap();
            assert_eq!(standing(&waits).await.unerased, unerased, "{id}");
        }
    });
}

#[test]
fn the_site_is_the_column_whose_statistics_are_read() {
    assert_eq!(COLUMNS[open::SITE].name, "site");
}
