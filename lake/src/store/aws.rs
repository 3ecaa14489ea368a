//! The one stack of AWS clients: transport, credentials, region, timeouts and retries.
//!
//! Loaded at most once a process and only where a bucket or a stream of AWS is used. What AWS's
//! own variables and files say (region, credentials, endpoints) is read by `aws-config`.

use std::fmt;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use crate::environment::Environment;
use crate::limits::{AWS_ATTEMPTS, AWS_CONNECT_TIMEOUT, S3_ATTEMPT_TIMEOUT, S3_OPERATION_TIMEOUT};

/// What the clients of AWS share.
pub struct Aws {
    path_style: bool,
    config: OnceCell<SdkConfig>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("path_style", &self.path_style).finish_non_exhaustive()
    }
}

impl Aws {
    /// Notes what our own settings say; loads nothing yet.
    ///
    /// An endpoint of one's own (`AWS_ENDPOINT_URL_S3`) implies path style: emulators and most
    /// stores that speak S3 have no host name for each bucket.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let path_style = environment.optional("AWS_ENDPOINT_URL_S3").is_some();
        Self { path_style, config: OnceCell::new() }
    }

    /// The shared configuration, loaded at the first call.
    pub async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(load).await
    }

    /// A client of S3 on the shared transport.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(AWS_CONNECT_TIMEOUT)
            .operation_attempt_timeout(S3_ATTEMPT_TIMEOUT)
            .operation_timeout(S3_OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_s3::config::Builder::from(self.config().await)
            .force_path_style(self.path_style)
            .timeout_config(timeouts)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// Attempts get timeouts from each service's client, because a hit on Kinesis and a part of a
/// large object differ by orders of magnitude.
async fn load() -> SdkConfig {
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https)
        .timeout_config(TimeoutConfig::builder().connect_timeout(AWS_CONNECT_TIMEOUT).build())
        .retry_config(RetryConfig::standard().with_max_attempts(AWS_ATTEMPTS))
        .load()
        .await
}
