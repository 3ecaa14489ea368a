//! The one stack of AWS clients: transport, credentials, region, timeouts and retries.
//!
//! Loaded at most once a process and only where a bucket or a stream of AWS is used. In a Lambda,
//! region, credentials and endpoints come from variables, where its runtime puts them. Elsewhere
//! `aws-config` looks through AWS's variables, files and metadata services; that chain is a tenth of
//! a small function's code, and what it asks takes time at the start.

mod call;
mod roots;

use std::fmt;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

pub use call::{CallError, JsonClient, Service};

use crate::environment::Environment;
use crate::limits::{AWS_ATTEMPTS, AWS_CONNECT_TIMEOUT, S3_ATTEMPT_TIMEOUT, S3_OPERATION_TIMEOUT};

/// The variables that name the endpoint of a service, the first one that is set.
const S3_ENDPOINT: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
const KINESIS_ENDPOINT: [&str; 2] = ["AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"];

/// What the clients of AWS share.
pub struct Aws {
    path_style: bool,
    s3_endpoint: Option<String>,
    kinesis_endpoint: Option<String>,
    /// Whom those trust who call AWS without its generated clients.
    trusted: TlsContext,
    load: Load,
    config: OnceCell<SdkConfig>,
}

/// Loads what the clients share. A function and no choice between two, so that a Lambda's binary does
/// not hold the chain.
type Load = Box<dyn Fn() -> BoxFuture<'static, SdkConfig> + Send + Sync>;

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("path_style", &self.path_style).finish_non_exhaustive()
    }
}

impl Aws {
    /// For a program on a person's machine: AWS's variables, files and metadata services. Notes what
    /// our own settings say; loads nothing yet.
    ///
    /// An endpoint of one's own (`AWS_ENDPOINT_URL_S3`) implies path style: emulators and most
    /// stores that speak S3 have no host name for each bucket.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self::loaded_by(environment, TlsContext::default(), Box::new(|| of_chain().boxed()))
    }

    /// For a Lambda: only the variables that its runtime sets (`AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`).
    #[must_use]
    pub fn in_lambda(environment: &Environment) -> Self {
        let region = environment.optional("AWS_REGION").map(Region::new);
        let trusted = roots::trusted(environment);
        let of_load = trusted.clone();
        let load = move || std::future::ready(of_lambda(region.clone(), of_load.clone())).boxed();
        Self::loaded_by(environment, trusted, Box::new(load))
    }

    fn loaded_by(environment: &Environment, trusted: TlsContext, load: Load) -> Self {
        let endpoint = |names: [&str; 2]| names.iter().find_map(|name| environment.optional(name));
        Self {
            path_style: environment.optional("AWS_ENDPOINT_URL_S3").is_some(),
            s3_endpoint: endpoint(S3_ENDPOINT),
            kinesis_endpoint: endpoint(KINESIS_ENDPOINT),
            trusted,
            load,
            config: OnceCell::new(),
        }
    }

    /// The shared configuration, loaded at the first call.
    async fn shared(&self) -> &SdkConfig {
        self.config.get_or_init(|| (self.load)()).await
    }

    /// The configuration for a client of Kinesis.
    pub async fn kinesis(&self) -> SdkConfig {
        with_endpoint(self.shared().await, self.kinesis_endpoint.as_ref())
    }

    /// A client of S3 on the shared transport.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(AWS_CONNECT_TIMEOUT)
            .operation_attempt_timeout(S3_ATTEMPT_TIMEOUT)
            .operation_timeout(S3_OPERATION_TIMEOUT)
            .build();
        let shared = with_endpoint(self.shared().await, self.s3_endpoint.as_ref());
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(self.path_style)
            .timeout_config(timeouts)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

fn with_endpoint(shared: &SdkConfig, endpoint: Option<&String>) -> SdkConfig {
    match endpoint {
        Some(url) => shared.to_builder().endpoint_url(url).build(),
        None => shared.clone(),
    }
}

/// Attempts get timeouts from each service's client, because a hit on Kinesis and a part of a
/// large object differ by orders of magnitude.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(AWS_CONNECT_TIMEOUT).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(AWS_ATTEMPTS)
}

fn https(trusted: TlsContext) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(trusted)
        .build_https()
}

fn of_lambda(region: Option<Region>, trusted: TlsContext) -> SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(https(trusted))
        .timeout_config(timeouts())
        .retry_config(retries())
        .build()
}

async fn of_chain() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https(TlsContext::default()))
        .timeout_config(timeouts())
        .retry_config(retries())
        .load()
        .await
}
