//! What is tried again, and what an answer without success means.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lake::limits::{ATHENA_ATTEMPTS, ATHENA_PATIENCE, ATHENA_WAIT, MAX_ATHENA_LINES};
use lake::store::aws::CallError;
use serde::Deserialize;

use super::Athena;

/// What Athena calls the refusal of one who asks too much, with too much under way or too often.
const BUSY: [&str; 3] = ["TooManyRequestsException", "ThrottlingException", "RequestLimitExceeded"];

/// Why Athena gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AthenaError {
    /// It has too much to do, or the account too much under way.
    #[error("Athena has too much to do ({0})")]
    Busy(String),
    /// Nobody can be asked.
    #[error(
        "HITLAKE_ATHENA_WORKGROUP is set, and AWS's region or credentials are not; set AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile"
    )]
    NotConfigured,
    /// It was not reached.
    #[error(transparent)]
    Unreached(#[from] CallError),
    /// It failed within.
    #[error("Athena answered with status {0}")]
    Within(u16),
    /// It takes the request for wrong, or not allowed.
    #[error("Athena refused {operation}: {kind}: {message}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// Its name of the error.
        kind: String,
        /// What it says.
        message: String,
    },
    /// Not what its reference says.
    #[error("Athena's answer to {0} could not be read: {1}")]
    Unreadable(&'static str, #[source] serde_json::Error),
    /// Lines that do not belong to the question.
    #[error("a result of Athena is none of the question: {0}")]
    Strange(String),
    /// More lines than are fetched.
    #[error("the result has more than {MAX_ATHENA_LINES} lines, or more than come in time")]
    TooLarge,
    /// All calls together took too long.
    #[error("Athena was not done within {ATHENA_PATIENCE:?}")]
    Late,
}

impl AthenaError {
    const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreached(_) | Self::Within(_))
    }

    /// Whether it says that there is no such execution.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { operation: "GetQueryExecution", kind, .. } if kind == "InvalidRequestException")
    }
}

/// The body of what is no success; AWS writes the name of the error in one of two ways.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

impl Athena {
    /// One operation, with another attempt where that may help.
    pub(super) async fn patiently(
        &self,
        operation: &'static str,
        body: Vec<u8>,
    ) -> Result<Bytes, AthenaError> {
        let mut attempt = 1;
        loop {
            let error = match self.once(operation, body.clone()).await {
                Err(error) if error.may_pass() && attempt < ATHENA_ATTEMPTS => error,
                done => return done,
            };
            let wait = self.random.jittered(longest_wait(attempt));
            tracing::debug!(attempt, ?wait, "{operation} is tried again: {error}");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn once(&self, operation: &'static str, body: Vec<u8>) -> Result<Bytes, AthenaError> {
        let now_ms = u64::try_from(self.clock.now_ms()).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
        let (status, body) = self.client().await?.call(operation, body, now).await?;
        understood(operation, status, body)
    }
}

fn understood(operation: &'static str, status: u16, body: Bytes) -> Result<Bytes, AthenaError> {
    if status == 200 {
        return Ok(body);
    }
    let Problem { kind, message } = serde_json::from_slice(&body).unwrap_or_default();
    // `com.amazonaws.athena#TooManyRequestsException`, or the bare name.
    let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
    Err(if status == 429 || BUSY.contains(&kind.as_str()) {
        AthenaError::Busy(kind)
    } else if status >= 500 {
        AthenaError::Within(status)
    } else {
        AthenaError::Refused { operation, kind, message }
    })
}

/// The longest wait after an attempt.
fn longest_wait(attempt: u32) -> Duration {
    ATHENA_WAIT * 2_u32.saturating_pow(attempt - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let of = |status, body: &'static str| {
            understood("GetQueryExecution", status, Bytes::from_static(body.as_bytes()))
        };
        assert!(of(200, "{}").is_ok());
        for (status, body) in [
            (
                400,
                r#"{"__type":"TooManyRequestsException","message":"","Reason":"CONCURRENT_QUERY_LIMIT_EXCEEDED"}"#,
            ),
            (400, r#"{"__type":"com.amazonaws.athena#ThrottlingException"}"#),
            (429, ""),
        ] {
            let error = of(status, body).unwrap_err();
            assert!(matches!(error, AthenaError::Busy(_)) && error.may_pass(), "{body}");
        }
        let within = of(500, r#"{"__type":"InternalServerException"}"#).unwrap_err();
        assert!(matches!(within, AthenaError::Within(500)) && within.may_pass());
        let absent = r#"{"__type":"InvalidRequestException","Message":"no such"}"#;
        let refused = of(400, absent).unwrap_err();
        assert!(refused.is_absent() && !refused.may_pass());
        assert!(refused.to_string().ends_with("InvalidRequestException: no such"), "{refused}");
        let denied = of(400, r#"{"__type":"AccessDeniedException"}"#).unwrap_err();
        assert!(!denied.is_absent() && !denied.may_pass());
    }

    #[test]
    fn waits_double_and_end() {
        for attempt in 1..ATHENA_ATTEMPTS {
            assert_eq!(longest_wait(attempt), ATHENA_WAIT * (1 << (attempt - 1)));
        }
        let all: Duration = (1..ATHENA_ATTEMPTS).map(longest_wait).sum();
        assert_eq!(all, Duration::from_secs(3));
    }
}
