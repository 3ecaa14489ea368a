//! An ingest over stores in memory, events to give it, and what it put on the stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ingest::handler::{Counters, Ingest};
use lake::clock::{Clock, ManualClock, Random, SeededRandom};
use lake::dropped::Dropped;
use lake::hit::Hit;
use lake::limits::SETTINGS_TTL_MS;
use lake::salt::Salts;
use lake::site::{SiteCache, SiteSettings, put_site};
use lake::store::{StoreRef, memory::MemoryStore};
use lake::stream::{HitStream, Position, Record, StreamError};
use lake::token::{TokenCache, add_token};

/// The moment at which requests arrive: when the browser's requests were recorded.
pub(crate) const NOW_MS: i64 = 1_795_450_906_000;
/// Address of the client.
pub(crate) const IP: &str = "203.0.113.77";
/// Secret of CloudFront.
pub(crate) const SECRET: &str = "open sesame";

/// A stream that remembers, or fails.
#[derive(Debug, Default)]
pub(crate) struct MemoryStream {
    records: Mutex<Vec<Record>>,
    pub(crate) fails: AtomicBool,
}

#[async_trait::async_trait]
impl HitStream for MemoryStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        if self.fails.load(Ordering::SeqCst) {
            let total = records.len();
            let reason = "out of order".to_owned();
            return Err(StreamError::Unavailable { taken: 0, total, attempts: 1, reason });
        }
        self.records.lock().unwrap().extend(records);
        Ok(Vec::new())
    }
}

pub(crate) struct World {
    pub(crate) ingest: Ingest,
    pub(crate) stream: Arc<MemoryStream>,
    store: StoreRef,
    pub(crate) clock: Arc<ManualClock>,
    /// A write token for all sites.
    pub(crate) token: String,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new(sites: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store: StoreRef = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let token = runtime.block_on(async {
            for site in sites {
                let settings = SiteSettings::parse(site).unwrap();
                put_site(&store, &settings, NOW_MS, false).await.unwrap();
            }
            let random = SeededRandom::new(7);
            add_token(&store, &random, NOW_MS, (true, true), None).await.unwrap()
        });
        let stream = Arc::new(MemoryStream::default());
        let ingest = ingest(&store, &clock, Arc::clone(&stream) as Arc<dyn HitStream>, 1);
        Self { ingest, stream, store, clock, token, runtime }
    }

    /// Another instance over the same store and clock, with a stream of its own.
    pub(crate) fn second(&self) -> Self {
        let stream = Arc::new(MemoryStream::default());
        Self {
            ingest: ingest(&self.store, &self.clock, Arc::clone(&stream) as Arc<dyn HitStream>, 99),
            stream,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            token: self.token.clone(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    pub(crate) fn send(&self, event: ApiGatewayV2httpRequest) -> Answer {
        Answer::of(self.runtime.block_on(self.ingest.handle(event)))
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send(event("GET", target, "", &[]))
    }

    pub(crate) fn post(&self, target: &str, body: &str) -> Answer {
        self.send(event("POST", target, body, &[]))
    }

    /// The records of hits put since the last call.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut records = std::mem::take(&mut *self.stream.records.lock().unwrap());
        records.retain(|record| Dropped::decode(&record.data).is_none());
        records
    }

    /// What was told of dropped hits since the last call; hits put since then are forgotten.
    pub(crate) fn told(&self) -> Vec<Dropped> {
        let records = std::mem::take(&mut *self.stream.records.lock().unwrap());
        records.iter().filter_map(|record| Dropped::decode(&record.data)).collect()
    }

    /// The hits put since the last call.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.records().iter().map(|record| Hit::decode(&record.data).unwrap()).collect()
    }

    /// The one hit put since the last call.
    pub(crate) fn hit(&self) -> Hit {
        let mut hits = self.hits();
        assert_eq!(hits.len(), 1);
        hits.pop().unwrap()
    }
}

/// An instance of ingest over a store.
fn ingest(
    store: &StoreRef,
    clock: &Arc<ManualClock>,
    stream: Arc<dyn HitStream>,
    seed: u64,
) -> Ingest {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed));
    Ingest {
        sites: SiteCache::new(Arc::clone(store), Arc::clone(&clock), SETTINGS_TTL_MS),
        tokens: TokenCache::new(Arc::clone(store), Arc::clone(&clock), SETTINGS_TTL_MS),
        salts: Salts::new(Arc::clone(store), Arc::clone(&random), Arc::clone(&clock)),
        stream,
        clock,
        random,
        origin_secret: Some(SECRET.to_owned()),
        places: Arc::default(),
        counters: Counters::default(),
    }
}

/// The event that API Gateway makes of a request.
pub(crate) fn event(
    method: &str,
    target: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    event.raw_path = Some(path.to_owned());
    event.raw_query_string = Some(query.to_owned());
    event.request_context.http.method = method.parse().unwrap();
    event.request_context.http.source_ip = Some(IP.to_owned());
    event.body = (!body.is_empty()).then(|| body.to_owned());
    for (name, value) in headers {
        let name: http::HeaderName = name.to_lowercase().parse().unwrap();
        event.headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    event
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: i64,
    pub(crate) body: Vec<u8>,
    headers: http::HeaderMap,
}

impl Answer {
    fn of(answer: ApiGatewayV2httpResponse) -> Self {
        let body = match answer.body {
            Some(Body::Text(text)) if answer.is_base64_encoded => STANDARD.decode(text).unwrap(),
            Some(Body::Text(text)) => text.into_bytes(),
            Some(Body::Binary(bytes)) => bytes,
            _ => Vec::new(),
        };
        Self { status: answer.status_code, body, headers: answer.headers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
