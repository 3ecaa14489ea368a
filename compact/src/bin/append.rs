//! The Lambda `append`: settings, clients, start.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use compact::append::Append;
use compact::enrich::Enricher;
use lake::environment::Environment;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    let store =
        lake::store::open(&StoreUrl::from_environment(&environment)?, &Aws::new(&environment))
            .await?;
    let append = &Append { store, enricher: Arc::new(Enricher::default()) };
    lambda_runtime::run(service_fn(|event: LambdaEvent<KinesisEvent>| async move {
        Ok::<KinesisEventResponse, Error>(append.handle(event.payload).await?)
    }))
    .await
}
