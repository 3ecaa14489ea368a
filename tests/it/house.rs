//! The functions over one store in memory, with a clock that stands.

use std::sync::{Arc, Mutex};

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::event::kinesis::KinesisEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact::append::Append;
use compact::enrich::Enricher;
use compact::erase::Erase;
use compact::merge::Merge;
use ingest::handler::{Counters, Ingest};
use lake::clock::{Clock, ManualClock, Random, SeededRandom};
use lake::limits::SETTINGS_TTL_MS;
use lake::salt::Salts;
use lake::site::{SiteCache, SiteSettings, put_site};
use lake::store::StoreRef;
use lake::store::memory::MemoryStore;
use lake::stream::{HitStream, Position, Record, StreamError};
use lake::token::{TokenCache, add_token};
use query::handler::Query;
use serde_json::{Value, json};
use tempfile::TempDir;

/// 10 March 2026, noon UTC.
pub(crate) const NOW_MS: i64 = 1_773_144_000_000;

/// Keeps what is put.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<Record>>);

#[async_trait::async_trait]
impl HitStream for Kept {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        let mut kept = self.0.lock().unwrap();
        let first = kept.len();
        kept.extend(records);
        let position = |sequence: usize| Position {
            shard: "shardId-000000000000".to_owned(),
            sequence: sequence.to_string(),
        };
        Ok((first..kept.len()).map(position).collect())
    }
}

pub(crate) struct House {
    pub(crate) store: StoreRef,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) token: String,
    ingest: Ingest,
    stream: Arc<Kept>,
    pub(crate) append: Append,
    pub(crate) merge: Merge,
    pub(crate) query: Query,
    _scratch: TempDir,
}

impl House {
    /// With site 1 and a token for it.
    pub(crate) async fn new() -> Self {
        Self::new_over(&(Arc::new(MemoryStore::new()) as StoreRef)).await
    }

    /// The same over a store.
    pub(crate) async fn new_over(store: &StoreRef) -> Self {
        Self::over(Arc::clone(store), Arc::clone(store)).await
    }

    /// The same over `store`, of which append and merge see `seen`.
    pub(crate) async fn over(store: StoreRef, seen: StoreRef) -> Self {
        let manual = Arc::new(ManualClock::at(NOW_MS));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as Arc<dyn Clock>;
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(1));
        let site =
            SiteSettings::parse(r#"{"id":1,"name":"Shop","hosts":["shop.example"]}"#).unwrap();
        put_site(&store, &site, NOW_MS, false).await.unwrap();
        let token = add_token(&store, random.as_ref(), NOW_MS, (true, true), None).await.unwrap();
        let sites = || SiteCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
        let tokens = || TokenCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
        let stream = Arc::new(Kept::default());
        let scratch = TempDir::new().unwrap();
        Self {
            ingest: Ingest {
                sites: sites(),
                tokens: tokens(),
                salts: Salts::new(Arc::clone(&store), Arc::clone(&random), Arc::clone(&clock)),
                stream: Arc::clone(&stream) as Arc<dyn HitStream>,
                clock: Arc::clone(&clock),
                random,
                origin_secret: None,
                places: Arc::default(),
                counters: Counters::default(),
            },
            append: Append::new(Arc::clone(&seen), Arc::new(Enricher::default())),
            merge: Merge::new(seen, Arc::clone(&clock), scratch.path().to_owned()),
            query: Query::new(Arc::clone(&store), sites(), tokens(), clock),
            stream,
            store,
            clock: manual,
            token,
            _scratch: scratch,
        }
    }

    /// The same, whose ledger looks for parked batches there, too.
    pub(crate) fn with_parked(self, bucket: &StoreRef) -> Self {
        Self { query: self.query.with_parked(Some(Arc::clone(bucket))), ..self }
    }

    /// The same, whose answers above so many bytes come as a link.
    pub(crate) fn with_answer_limit(self, bytes: usize) -> Self {
        Self { query: self.query.with_answer_limit(bytes), ..self }
    }

    pub(crate) async fn request(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        self.ingest.handle(event).await
    }

    /// What is on the stream so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.stream.0.lock().unwrap().clone()
    }

    /// Hands a batch to append; all of it must be taken.
    pub(crate) async fn append(&self, event: KinesisEvent) {
        let answer = self.append.handle(event).await.unwrap();
        assert!(answer.batch_item_failures.is_empty());
    }

    /// Merges as the merge function is asked to.
    pub(crate) async fn merge(&self, request: Value) {
        self.merge.handle(serde_json::from_value(request).unwrap()).await.unwrap();
    }

    /// Carries out what is to be erased, as the erase function does.
    pub(crate) async fn erase(&self) {
        Erase::new(self.merge.clone(), 0).run().await.unwrap();
    }

    /// Closes orders and removes nothing yet.
    pub(crate) async fn close_erasures(&self) {
        assert!(Erase::new(self.merge.clone(), 0).close().await.unwrap());
    }

    /// Rows and totals of an answer.
    pub(crate) async fn ask(&self, question: &str) -> Value {
        let target = format!("/v1/sites/1/metrics?{question}");
        let headers = json!({"authorization": format!("Bearer {}", self.token)});
        let answer =
            self.query.handle(http_event("GET", &target, &headers, "", "203.0.113.9")).await;
        assert_eq!(answer.status_code, 200, "{answer:?}");
        let body = serde_json::to_value(&answer.body).unwrap();
        let mut said: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
        json!({"rows": said["rows"].take(), "totals": said["totals"].take()})
    }

    /// The ledger of site 1.
    pub(crate) async fn ledger(&self, question: &str) -> Value {
        let target = format!("/v1/sites/1/ledger?{question}");
        let headers = json!({"authorization": format!("Bearer {}", self.token)});
        let answer =
            self.query.handle(http_event("GET", &target, &headers, "", "203.0.113.9")).await;
        assert_eq!(answer.status_code, 200, "{answer:?}");
        let body = serde_json::to_value(&answer.body).unwrap();
        serde_json::from_str(body.as_str().unwrap()).unwrap()
    }

    /// Query as a process that has just started has it, over a store.
    pub(crate) fn query_over(&self, store: &StoreRef) -> Query {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let sites = SiteCache::new(Arc::clone(store), Arc::clone(&clock), SETTINGS_TTL_MS);
        let tokens = TokenCache::new(Arc::clone(store), Arc::clone(&clock), SETTINGS_TTL_MS);
        Query::new(Arc::clone(store), sites, tokens, clock)
    }

    pub(crate) async fn query(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        self.query.handle(event).await
    }
}

/// A request as API Gateway's HTTP API hands it over.
pub(crate) fn http_event(
    method: &str,
    target: &str,
    headers: &Value,
    body: &str,
    source_ip: &str,
) -> ApiGatewayV2httpRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let event = json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": query,
        "headers": headers, "body": body, "isBase64Encoded": false,
        "requestContext": {
            "stage": "$default", "timeEpoch": NOW_MS,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source_ip},
        },
    });
    serde_json::from_value(event).unwrap()
}

/// A batch as Lambda hands it over; `first` is the sequence number of its first record.
pub(crate) fn batch(shard: &str, first: usize, records: &[Record]) -> KinesisEvent {
    let record = |(index, record): (usize, &Record)| {
        let sequence = format!("{:056}", first + index);
        json!({
            "eventID": format!("{shard}:{sequence}"), "eventName": "aws:kinesis:record",
            "eventSource": "aws:kinesis", "eventVersion": "1.0",
            "kinesis": {
                "approximateArrivalTimestamp": NOW_MS / 1000, "data": STANDARD.encode(&record.data),
                "kinesisSchemaVersion": "1.0", "partitionKey": record.partition_key, "sequenceNumber": sequence,
            },
        })
    };
    let records: Vec<_> = records.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}
