//! The Lambda `merge`: settings, clients, start.

use std::sync::Arc;

use compact::merge::{Answer, Merge, Request, report};
use lake::clock::{Clock as _, SystemClock};
use lake::environment::Environment;
use lake::metrics::Started;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    lake::metrics::name_stack(&environment);
    let store = lake::store::open(
        &StoreUrl::from_environment(&environment)?,
        &Aws::in_lambda(&environment),
    )
    .await?;
    let merge = Merge::new(store, Arc::new(SystemClock), std::env::temp_dir());
    let merge = &merge.with_memory_of(&environment)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        let started = Started::now();
        let answer = run(merge, event.payload).await;
        answer.iter().for_each(report::warn);
        report::line(answer.as_ref().ok(), SystemClock.now_ms(), started.ended()).write();
        Ok::<Answer, Error>(answer?)
    }))
    .await
}

async fn run(merge: &Merge, request: Request) -> anyhow::Result<Answer> {
    if request.dates.is_some() {
        return merge.handle(request).await;
    }
    let found = merge.look(request.share).await?;
    report::found(&found, SystemClock.now_ms()).write();
    merge.keep_house(&found).await
}
