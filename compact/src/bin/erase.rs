//! The Lambda `erase`: settings, clients, start.

use std::sync::Arc;

use compact::erase::{Answer, Erase, report};
use compact::merge::Merge;
use lake::clock::{Clock as _, SystemClock};
use lake::environment::Environment;
use lake::limits::ORDER_SEEN_MS;
use lake::metrics::Started;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    lake::metrics::name_stack(&environment);
    let aws = Aws::in_lambda(&environment);
    let store = lake::store::open(&StoreUrl::from_environment(&environment)?, &aws).await?;
    let merge = Merge::new(store, Arc::new(SystemClock), std::env::temp_dir());
    let mut erase = Erase::new(merge.with_memory_of(&environment)?, ORDER_SEEN_MS);
    if let Some(parked) = lake::store::open_parked(&environment, &aws).await? {
        erase = erase.with_parked(parked);
    }
    let erase = &erase;
    lambda_runtime::run(service_fn(|_: LambdaEvent<serde_json::Value>| async move {
        let started = Started::now();
        let carried = erase.run().await;
        let ended = started.ended();
        report::line(carried.as_deref().ok(), SystemClock.now_ms(), ended).write();
        Ok::<Answer, Error>(Answer { erasures: carried? })
    }))
    .await
}
