//! Which authorities' certificates a Lambda trusts: Amazon's own, where nobody else is called.
//!
//! The system's list has some 150; reading it takes longer than all else that a small function does
//! before its first answer (docs/decisions/start.md). Amazon names five for those who keep a list of
//! their own: <https://www.amazontrust.com/repository/>.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};

use super::{KINESIS_ENDPOINT, S3_ENDPOINT};
use crate::environment::Environment;

const AMAZON: &[u8] = include_bytes!("../../../data/roots.pem");
/// Regions of partitions whose certificates may be others'.
const ELSEWHERE: [&str; 3] = ["cn-", "us-iso", "eu-iso"];
/// Who sets one of these has a list of his own.
const OWN_LIST: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Whom to trust.
pub(super) fn trusted(environment: &Environment) -> TlsContext {
    if !calls_only_amazon(environment) {
        return TlsContext::default();
    }
    let roots = TrustStore::empty().with_pem_certificate(AMAZON);
    TlsContext::builder().with_trust_store(roots).build().unwrap_or_default()
}

fn calls_only_amazon(environment: &Environment) -> bool {
    let region = environment.optional("AWS_REGION").unwrap_or_default();
    let is_secure = |name: &&str| {
        environment.optional(name).is_some_and(|endpoint| endpoint.starts_with("https:"))
    };
    !ELSEWHERE.iter().any(|prefix| region.starts_with(prefix))
        && !S3_ENDPOINT.iter().chain(&KINESIS_ENDPOINT).any(is_secure)
        && !OWN_LIST.iter().any(|name| environment.optional(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::aws::Aws;

    #[test]
    fn amazons_authorities_are_trusted_where_nobody_else_is_called() {
        for (variables, only) in [
            (vec![("AWS_REGION", "eu-central-1")], true),
            (vec![("AWS_REGION", "us-gov-west-1")], true),
            (vec![("AWS_REGION", "cn-north-1")], false),
            (vec![("AWS_REGION", "us-iso-east-1")], false),
            (vec![("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566")], true),
            (vec![("AWS_ENDPOINT_URL_KINESIS", "https://kinesis.example")], false),
            (vec![("AWS_ENDPOINT_URL", "https://all.example")], false),
            (vec![("SSL_CERT_FILE", "/etc/pki/tls/certs/ca-bundle.crt")], false),
        ] {
            assert_eq!(calls_only_amazon(&Environment::of(&variables)), only, "{variables:?}");
        }
    }

    #[tokio::test]
    async fn the_five_authorities_can_be_read() {
        let text = std::str::from_utf8(AMAZON).unwrap();
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 5);
        // A client reads them when it is made, and panics over one that it cannot.
        let environment = Environment::of(&[("AWS_REGION", "eu-central-1")]);
        let _client = Aws::in_lambda(&environment).s3().await;
    }
}
