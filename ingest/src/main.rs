//! The Lambda `ingest`: settings, clients, start.

use std::sync::Arc;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use ingest::handler::{Counters, Ingest};
use ingest::kinesis::KinesisStream;
use ingest::places::Places;
use lake::clock::{Clock, Random, SystemClock, SystemRandom};
use lake::environment::Environment;
use lake::limits::SETTINGS_TTL_MS;
use lake::metrics::Started;
use lake::salt::Salts;
use lake::site::SiteCache;
use lake::store::aws::Aws;
use lake::store::{StoreUrl, StreamUrl};
use lake::token::TokenCache;
use lambda_runtime::{Error, LambdaEvent, service_fn};

// One beacon at a time, and most of it waiting: other threads would only be started and woken.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    lake::metrics::name_stack(&environment);
    let StreamUrl::Kinesis { name } = StreamUrl::from_environment(&environment)?;
    let aws = Aws::in_lambda(&environment);
    let store = lake::store::open(&StoreUrl::from_environment(&environment)?, &aws).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let stream = KinesisStream::new(&aws.kinesis().await, name, Arc::clone(&random));
    let ingest = &Ingest {
        sites: SiteCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS),
        tokens: TokenCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS),
        salts: Salts::new(store, Arc::clone(&random), Arc::clone(&clock)),
        stream: Arc::new(stream),
        clock,
        random,
        origin_secret: environment.optional("HITLAKE_ORIGIN_SECRET"),
        places: Arc::new(Places::from_environment(&environment)?),
        counters: Counters::default(),
    };
    let run =
        lambda_runtime::run(service_fn(|event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
            let started = Started::now();
            let answer = ingest.handle(event.payload).await;
            let counted = ingest.counters.take();
            counted.line(answer.status_code, ingest.clock.now_ms(), started.ended()).write();
            Ok::<ApiGatewayV2httpResponse, Error>(answer)
        }));
    tokio::join!(run, ingest.salts.warm_up()).0
}
