//! A service of AWS that is called by JSON (its protocol "AWS JSON 1.1"), without the code that AWS
//! generates for it: signed by AWS's own signer, over AWS's own transport.
//!
//! One call is one attempt; whoever calls decides what is tried again. Knows no operation.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;

use super::Aws;
use crate::limits::AWS_CONNECT_TIMEOUT;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Credentials are asked for anew so long before they expire.
const SPARE: Duration = Duration::from_secs(60);

/// Why a call has no answer; worth another attempt.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing that a request could be signed with.
    #[error("signing the request: {0}")]
    Unsigned(Box<dyn std::error::Error + Send + Sync>),
    /// The wire.
    #[error("calling {0}: {1}")]
    Wire(String, Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("{0} does not answer within {1:?}")]
    Late(String, Duration),
}

/// Which service, and where.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name in signatures and host names: `athena`.
    pub name: &'static str,
    /// What stands before an operation's name in `X-Amz-Target`: `AmazonAthena`.
    pub target: &'static str,
    /// Another address than AWS's.
    pub endpoint: Option<String>,
    /// How long one attempt may take, the whole answer included.
    pub timeout: Duration,
}

/// A client of such a service.
pub struct JsonClient {
    service: Service,
    endpoint: String,
    region: String,
    connector: Connector,
    credentials: SharedCredentialsProvider,
    /// The last that expire: on a person's machine it takes calls to get them.
    known: Mutex<Option<Credentials>>,
}

impl fmt::Debug for JsonClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Aws {
    /// A client of a service; none where no region or no credentials are configured.
    pub async fn json_client(&self, service: Service) -> Option<JsonClient> {
        let shared: &SdkConfig = self.shared().await;
        let region = shared.region()?.to_string();
        let credentials = shared.credentials_provider()?;
        // Who calls somebody else trusts whom the system trusts.
        let trusted = match service.endpoint {
            Some(_) => TlsContext::default(),
            None => self.trusted.clone(),
        };
        let endpoint = service.endpoint.clone().unwrap_or_else(|| endpoint(&service, &region));
        let (connector, known) = (connector(trusted), Mutex::default());
        Some(JsonClient { service, endpoint, region, connector, credentials, known })
    }
}

fn endpoint(service: &Service, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{region}.{suffix}", service.name)
}

fn connector(trusted: TlsContext) -> Connector {
    let timeouts = HttpConnectorSettings::builder().connect_timeout(AWS_CONNECT_TIMEOUT).build();
    let builder: ConnectorBuilder = Connector::builder().connector_settings(timeouts);
    builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trusted).build()
}

impl JsonClient {
    /// One attempt at an operation: the status of the answer, and its body.
    ///
    /// # Errors
    ///
    /// [`CallError`] where there is no answer at all.
    pub async fn call(
        &self,
        operation: &str,
        body: Vec<u8>,
        now: SystemTime,
    ) -> Result<(u16, Bytes), CallError> {
        let limit = self.service.timeout;
        match tokio::time::timeout(limit, self.attempt(operation, body, now)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Late(self.endpoint.clone(), limit)),
        }
    }

    async fn attempt(
        &self,
        operation: &str,
        body: Vec<u8>,
        now: SystemTime,
    ) -> Result<(u16, Bytes), CallError> {
        let identity = self.credentials(now).await?.into();
        let request = self.signed(operation, body, now, &identity).map_err(CallError::Unsigned)?;
        let failed = |error| CallError::Wire(self.endpoint.clone(), error);
        let answer = self.connector.call(request).await.map_err(|error| failed(error.into()))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await;
        Ok((status, body.map_err(|error| failed(error.into()))?.into_bytes()))
    }

    /// Credentials that are good for a while yet.
    async fn credentials(&self, now: SystemTime) -> Result<Credentials, CallError> {
        let lasts = |it: &Credentials| it.expiry().is_some_and(|end| end > now + SPARE);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(lasts) {
            return Ok(known);
        }
        let new = self.credentials.provide_credentials().await;
        let new = new.map_err(|error| CallError::Unsigned(error.into()))?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
        Ok(new)
    }

    fn signed(
        &self,
        operation: &str,
        body: Vec<u8>,
        now: SystemTime,
        identity: &Identity,
    ) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let target = format!("{}.{operation}", self.service.target);
        let uri = format!("{}/", self.endpoint.trim_end_matches('/'));
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", &target)];
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(self.service.name)
            .time(now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable =
            SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(&body))?;
        let (signature, _) = sign(signable, &parameters)?.into_parts();
        let (signed, _) = signature.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.set_uri(uri.as_str())?;
        for (name, value) in headers {
            request.headers_mut().try_insert(name, value.to_owned())?;
        }
        for header in signed {
            request.headers_mut().try_insert(header.name(), header.value().to_owned())?;
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn athena(endpoint: Option<&str>) -> Service {
        let endpoint = endpoint.map(str::to_owned);
        Service {
            name: "athena",
            target: "AmazonAthena",
            endpoint,
            timeout: Duration::from_secs(1),
        }
    }

    async fn client(region: &str, endpoint: Option<&str>) -> JsonClient {
        let aws = Aws::in_lambda(&Environment::of(&[("AWS_REGION", region)]));
        aws.json_client(athena(endpoint)).await.unwrap()
    }

    #[tokio::test]
    async fn the_address_is_that_of_the_region_or_ones_own() {
        for (region, endpoint, address) in [
            ("eu-central-1", None, "https://athena.eu-central-1.amazonaws.com"),
            ("cn-north-1", None, "https://athena.cn-north-1.amazonaws.com.cn"),
            ("eu-central-1", Some("http://127.0.0.1:1"), "http://127.0.0.1:1"),
        ] {
            assert_eq!(client(region, endpoint).await.endpoint, address);
        }
        let nowhere = Aws::in_lambda(&Environment::of(&[]));
        assert!(nowhere.json_client(athena(None)).await.is_none());
    }

    #[tokio::test]
    async fn a_request_is_signed() {
        let client = client("eu-central-1", None).await;
        let session = Some("session".to_owned());
        let credentials = Credentials::new("key", "secret", session, None, "test");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let request =
            client.signed("GetQueryExecution", b"{}".to_vec(), at, &credentials.into()).unwrap();
        let header = |name| request.headers().get(name).unwrap();
        assert_eq!(header("x-amz-target"), "AmazonAthena.GetQueryExecution");
        assert_eq!(header("x-amz-date"), "20150830T123600Z");
        assert_eq!(header("x-amz-security-token"), "session");
        let signed = "AWS4-HMAC-SHA256 Credential=key/20150830/eu-central-1/athena/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(header("authorization").starts_with(signed), "{}", header("authorization"));
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_they_expire() {
        let mut client = client("eu-central-1", None).await;
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let of = |key: &str| Credentials::new(key, "secret", None, Some(end), "test");
        client.credentials = SharedCredentialsProvider::new(of("first"));
        let key = async |client: &JsonClient, now| {
            client.credentials(now).await.unwrap().access_key_id().to_owned()
        };
        let (early, late) = (end - SPARE - Duration::from_secs(1), end - SPARE);
        assert_eq!(key(&client, early).await, "first");
        client.credentials = SharedCredentialsProvider::new(of("second"));
        assert_eq!(key(&client, early).await, "first");
        assert_eq!(key(&client, late).await, "second");
    }
}
