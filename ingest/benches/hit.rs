//! One hit (`hit` or `matomo`) through the handler onto a stream in memory, so many times.
//!
//! Counts nothing itself. `cargo bench -p ingest --bench hit --no-run` prints the program; run
//! `valgrind --tool=callgrind PROGRAM matomo 1100` and the same with 100, and divide the
//! difference of instructions by 1,000.
#![expect(clippy::unwrap_used, reason = "a bench ends when anything is wrong")]
#![expect(clippy::expect_used, reason = "a bench ends when anything is wrong")]

use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use ingest::handler::{Counters, Ingest};
use lake::clock::{Clock, ManualClock, Random, SeededRandom};
use lake::limits::SETTINGS_TTL_MS;
use lake::salt::Salts;
use lake::site::{SiteCache, SiteSettings, put_site};
use lake::store::{StoreRef, memory::MemoryStore};
use lake::stream::{HitStream, Position, Record, StreamError};
use lake::token::TokenCache;

/// A stream that forgets.
#[derive(Debug)]
struct Sink;

#[async_trait::async_trait]
impl HitStream for Sink {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        std::hint::black_box(&records);
        Ok(Vec::new())
    }
}

const NOW_MS: i64 = 1_795_450_906_000;
const SITE: &str = r#"{"id":1,"hosts":["shop.example","www.shop.example"],"excluded_parameters":["sessid","token"],
"excluded_ips":["198.51.100.0/24"],"excluded_user_agents":["HeadlessChrome"],"site_search":{"on":true,"keyword":["q","query"],"category":[]}}"#;
const JSON: &str = r#"{"v":1,"site":1,"kind":"pageview","id":"019a0e0a-1234-7000-8000-000000000001","ts":1795450905000,"sent":1795450906000,
"url":"https://shop.example/shoes/red?size=42&utm_source=news&utm_campaign=spring","referrer":"https://search.example/?q=red+shoes",
"title":"Red shoes","page_view":"019a0e0a-1234-7000-8000-000000000002","screen":"1920x1080","language":"de-DE","timezone":"Europe/Berlin",
"timings":{"network_ms":12,"server_ms":80,"transfer_ms":4,"dom_processing_ms":210}}"#;
const MATOMO: &str = "action_name=First%20page%20%E2%80%93%20%C3%89xample&idsite=1&rec=1&r=910784&h=16&m=21&s=42&url=https%3A%2F%2Fshop.example%2Ffirst.html%3Futm_campaign%3DSpring%26utm_source%3Dnews%26a%3D1&urlref=https%3A%2F%2Fref.example%2Fpage&_id=a393778ca5955dbc&_idn=1&send_image=0&_refts=1795450902&_ref=https%3A%2F%2Fref.example%2Fpage&pf_net=1&pf_srv=9&pf_tfr=1&pf_dm1=45&pv_id=u3PpWc&uadata=%7B%22fullVersionList%22%3A%5B%7B%22brand%22%3A%22Chromium%22%2C%22version%22%3A%22156.0.8078.79%22%7D%5D%2C%22mobile%22%3Afalse%2C%22model%22%3A%22%22%2C%22platform%22%3A%22Linux%22%2C%22platformVersion%22%3A%22%22%7D&pdf=1&qt=0&realp=0&wma=0&fla=0&java=0&ag=0&cookie=1&res=1280x720";

fn event(protocol: &str) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    let (method, path, query, body) = match protocol {
        "matomo" => ("POST", "/matomo.php", Some(MATOMO), None),
        _ => ("POST", "/hit", None, Some(JSON)),
    };
    event.raw_path = Some(path.to_owned());
    event.raw_query_string = query.map(str::to_owned);
    event.body = body.map(str::to_owned);
    event.request_context.http.method = method.parse().unwrap();
    event.request_context.http.source_ip = Some("203.0.113.9".to_owned());
    for (name, value) in [
        ("origin", "https://shop.example"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
        ),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("content-type", "text/plain;charset=UTF-8"),
    ] {
        event.headers.insert(name, value.parse().unwrap());
    }
    event
}

async fn ingest() -> Ingest {
    let store: StoreRef = Arc::new(MemoryStore::new());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(1));
    put_site(&store, &SiteSettings::parse(SITE).unwrap(), NOW_MS, false).await.unwrap();
    Ingest {
        sites: SiteCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS),
        tokens: TokenCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS),
        salts: Salts::new(store, Arc::clone(&random), Arc::clone(&clock)),
        stream: Arc::new(Sink),
        clock,
        random,
        origin_secret: None,
        places: Arc::default(),
        counters: Counters::default(),
    }
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let protocol = args.next().unwrap_or_else(|| "hit".to_owned());
    let hits: usize = args.next().map_or(1, |text| text.parse().expect("a number of hits"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let ingest = ingest().await;
        let event = event(&protocol);
        for _ in 0..hits {
            let answer = ingest.handle(event.clone()).await;
            assert_eq!(answer.status_code, 204);
        }
    });
}
