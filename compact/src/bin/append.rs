//! The Lambda `append`: settings, clients, start.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use compact::append::Append;
use compact::append::report::{Report, failed};
use compact::enrich::Enricher;
use lake::clock::{Clock as _, SystemClock};
use lake::environment::Environment;
use lake::metrics::Started;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    // While a Lambda starts it has whole processors, and nobody waits for a batch yet.
    let lists = std::thread::spawn(Enricher::prepare);
    let environment = Environment::process();
    lake::metrics::name_stack(&environment);
    let store = lake::store::open(
        &StoreUrl::from_environment(&environment)?,
        &Aws::in_lambda(&environment),
    )
    .await?;
    let append = &Append::new(store, Arc::new(Enricher::default()));
    lists.join().map_err(|_| "the lists of user agents and referrers cannot be read")?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<KinesisEvent>| async move {
        let started = Started::now();
        let done = match append.append(&event.payload.records).await {
            Ok(done) => done,
            Err(error) => {
                failed(SystemClock.now_ms(), started.ended()).write();
                return Err(error.into());
            }
        };
        let report = Report { done, ended: started.ended() };
        report.log();
        report.metrics(SystemClock.now_ms()).write();
        Ok::<KinesisEventResponse, Error>(KinesisEventResponse::default())
    }))
    .await
}
