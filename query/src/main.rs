//! The Lambda `query`: settings, clients, start.

use std::sync::Arc;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lake::clock::{Clock, Random, SystemClock, SystemRandom};
use lake::environment::Environment;
use lake::limits::{LAMBDA_ANSWER_BYTES, SETTINGS_TTL_MS};
use lake::metrics::Started;
use lake::site::SiteCache;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lake::token::TokenCache;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use query::athena::Athena;
use query::handler::Query;
use query::settings::ApiSettings;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    lake::metrics::name_stack(&environment);
    let aws = Arc::new(Aws::in_lambda(&environment));
    let store = lake::store::open(&StoreUrl::from_environment(&environment)?, &aws).await?;
    let parked = lake::store::open_parked(&environment, &aws).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sites = SiteCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
    let tokens = TokenCache::new(Arc::clone(&store), Arc::clone(&clock), SETTINGS_TTL_MS);
    let settings = ApiSettings::from_environment(&environment)?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let athena = settings.athena.clone().map(|settings| {
        Arc::new(Athena::new(settings, Arc::clone(&aws), Arc::clone(&clock), random))
    });
    let query = &Query::new(store, sites, tokens, clock)
        .with_settings(settings)
        .with_parked(parked)
        .with_athena(athena)
        .with_answer_limit(LAMBDA_ANSWER_BYTES);
    let run =
        lambda_runtime::run(service_fn(|event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
            let started = Started::now();
            let answer = query.handle(event.payload).await;
            query::log::line(&answer, query.clock.now_ms(), started.ended()).write();
            Ok::<ApiGatewayV2httpResponse, Error>(answer)
        }));
    tokio::join!(run, query.tokens.warm_up()).0
}
