//! The Lambda `merge`: settings, clients, start.

use std::sync::Arc;

use compact::merge::{Answer, Merge, Request};
use lake::clock::SystemClock;
use lake::environment::Environment;
use lake::store::StoreUrl;
use lake::store::aws::Aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::process();
    let store = lake::store::open(
        &StoreUrl::from_environment(&environment)?,
        &Aws::in_lambda(&environment),
    )
    .await?;
    let merge = Merge::new(store, Arc::new(SystemClock), std::env::temp_dir());
    let merge = &merge.with_memory_of(&environment)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<Answer, Error>(merge.handle(event.payload).await?)
    }))
    .await
}
