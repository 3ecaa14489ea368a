//! Athena: questions beyond one function, run by its workgroup of the stack.
//!
//! `api` has the operations, `retry` says what is tried again, `settings` what is configured,
//! `sealed` the ids that answers are asked for by, `lines` turns a result into what was counted.
//! Knows SQL as a text that somebody else made; knows no request and no object.

mod api;
mod lines;
mod retry;
mod sealed;
mod settings;

use std::sync::Arc;

use lake::clock::{Clock, Random};
use lake::limits::{
    ATHENA_ATTEMPT_TIMEOUT, ATHENA_FETCH, ATHENA_PAGE_LINES, ATHENA_PATIENCE, ATHENA_RESULT_MS,
    ATHENA_RUNS, MAX_ATHENA_LINES,
};
use lake::store::aws::{Aws, JsonClient, Service};
use ring::digest::{SHA256, digest};
use tokio::sync::OnceCell;

pub use api::{Execution, State};
use api::{ResultSet, Start};
pub(crate) use lines::{Lines, read};
pub use retry::AthenaError;
pub(crate) use sealed::{Sealed, Unsealed};
pub use settings::AthenaSettings;

/// One day: executions are shared within it.
const DAY_MS: i64 = 24 * 3_600_000;

/// A workgroup of Athena.
#[derive(Debug)]
pub struct Athena {
    settings: AthenaSettings,
    aws: Arc<Aws>,
    /// Made for the first question: most processes never make one.
    client: OnceCell<JsonClient>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Which execution: the same data and text within a day are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    /// Of the text and of the objects that it reads.
    data: u128,
    /// Since 1970, UTC.
    day: i64,
    /// How many executions before it failed; or by chance, where too many did.
    salt: u64,
}

impl Version {
    /// A request with the same token is the same to Athena: 32 to 128 letters.
    fn token(self) -> String {
        format!("hitlake-{:032x}-{:x}-{:x}", self.data, self.day, self.salt)
    }
}

/// What decides about a result besides the day: the text, and what it reads.
pub(crate) fn data_version(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u128 {
    let mut all = Vec::new();
    for part in parts {
        let part = part.as_ref();
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part);
    }
    let hash = digest(&SHA256, &all);
    let half = hash.as_ref().first_chunk::<16>().copied().unwrap_or_default();
    u128::from_be_bytes(half)
}

impl Athena {
    /// The workgroup that the settings name. Nothing is asked of AWS yet, not even who we are.
    #[must_use]
    pub fn new(
        settings: AthenaSettings,
        aws: Arc<Aws>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { settings, aws, client: OnceCell::new(), clock, random }
    }

    async fn client(&self) -> Result<&JsonClient, AthenaError> {
        let make = || async {
            let service = Service {
                name: "athena",
                target: "AmazonAthena",
                endpoint: self.settings.endpoint.clone(),
                timeout: ATHENA_ATTEMPT_TIMEOUT,
            };
            self.aws.json_client(service).await.ok_or(AthenaError::NotConfigured)
        };
        self.client.get_or_try_init(make).await
    }

    /// What is configured.
    pub(crate) const fn settings(&self) -> &AthenaSettings {
        &self.settings
    }

    /// Where nonces come from.
    pub(crate) fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }

    /// Starts a text over this version of the data, or finds the execution that has been started
    /// already; how far it is. Failed ones are passed over, and those whose result is kept no longer.
    pub(crate) async fn start(&self, sql: &str, data: u128) -> Result<Execution, AthenaError> {
        within_patience(self.start_or_find(sql, data)).await
    }

    async fn start_or_find(&self, sql: &str, data: u128) -> Result<Execution, AthenaError> {
        let day = self.clock.now_ms().div_euclid(DAY_MS);
        for salt in 0..u64::from(ATHENA_RUNS) {
            let version = Version { data, day, salt };
            let found = self.start_version(sql, version).await?;
            if !self.is_over(&found) {
                return Ok(found);
            }
        }
        let mut chance = [0; 8];
        self.random.fill(&mut chance);
        let version = Version { data, day, salt: u64::from_le_bytes(chance) };
        self.start_version(sql, version).await
    }

    async fn start_version(&self, sql: &str, version: Version) -> Result<Execution, AthenaError> {
        let token = version.token();
        let start = Start::new(sql, &token, &self.settings);
        let id = self.start_query_execution(&start).await?;
        self.get_query_execution(&id).await
    }

    /// Whether nothing more is to be had of an execution, and another one may have better luck:
    /// what was cut off at the limit would be cut off again.
    fn is_over(&self, execution: &Execution) -> bool {
        match execution.state {
            State::Queued | State::Running => false,
            State::Succeeded => self.is_forgotten(execution),
            State::Failed | State::Cancelled => !execution.is_cut_off(),
        }
    }

    /// Whether its result is kept no longer, or not long enough.
    pub(crate) fn is_forgotten(&self, execution: &Execution) -> bool {
        let ended_ms = execution.ended_ms.unwrap_or(i64::MAX);
        self.clock.now_ms().saturating_sub(ended_ms) > ATHENA_RESULT_MS
    }

    /// How far an execution is.
    pub(crate) async fn find(&self, id: &str) -> Result<Execution, AthenaError> {
        within_patience(self.get_query_execution(id)).await
    }

    /// The lines of its result.
    pub(crate) async fn lines(&self, id: &str) -> Result<Lines, AthenaError> {
        tokio::time::timeout(ATHENA_FETCH, self.fetch(id))
            .await
            .unwrap_or(Err(AthenaError::TooLarge))
    }

    async fn fetch(&self, id: &str) -> Result<Lines, AthenaError> {
        let mut lines = Vec::new();
        let mut next = None;
        loop {
            let ResultSet { rows, next_token } =
                self.get_query_results(id, next.as_deref(), ATHENA_PAGE_LINES).await?;
            lines.extend(rows);
            // The first line has the names.
            if lines.len() > MAX_ATHENA_LINES + 1 {
                return Err(AthenaError::TooLarge);
            }
            next = next_token;
            if next.is_none() {
                return Ok(Lines::new(lines));
            }
        }
    }
}

async fn within_patience<T>(
    calls: impl Future<Output = Result<T, AthenaError>>,
) -> Result<T, AthenaError> {
    tokio::time::timeout(ATHENA_PATIENCE, calls).await.unwrap_or(Err(AthenaError::Late))
}
