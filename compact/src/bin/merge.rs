//! The Lambda `merge`: settings, clients, start.

use std::sync::{Arc, OnceLock};

use compact::merge::{Answer, Found, Merge, Request, report};
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
        let found = OnceLock::new();
        let say = |answer: Option<&Answer>| {
            report::line(found.get(), answer, SystemClock.now_ms(), started.ended()).write();
        };
        let patience = report::patience(event.context.deadline, SystemClock.now_ms());
        let mut run = std::pin::pin!(run(merge, event.payload, &found));
        let answer = match tokio::time::timeout(patience, &mut run).await {
            Ok(answer) => {
                say(answer.as_ref().ok());
                answer
            }
            Err(_) => {
                say(None);
                run.await
            }
        };
        answer.iter().for_each(report::warn);
        Ok::<Answer, Error>(answer?)
    }))
    .await
}

async fn run(merge: &Merge, request: Request, found: &OnceLock<Found>) -> anyhow::Result<Answer> {
    if request.dates.is_some() {
        return merge.handle(request).await;
    }
    let looked = merge.look(request.share).await?;
    merge.keep_house(found.get_or_init(|| looked)).await
}
