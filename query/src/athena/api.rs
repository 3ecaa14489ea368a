//! The three operations of Athena that are used, as its API reference has them
//! (<https://docs.aws.amazon.com/athena/latest/APIReference/>), each without what is not needed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::retry::AthenaError;
use super::{Athena, AthenaSettings};

/// Begins the reason that Athena gives for what it cut off at the limit of the workgroup.
const CUT_OFF: &str = "bytes scanned limit";
/// The catalogue of an account's own databases.
const CATALOG: &str = "AwsDataCatalog";

/// What is started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Start<'a> {
    query_string: &'a str,
    client_request_token: &'a str,
    query_execution_context: Context<'a>,
    work_group: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Context<'a> {
    catalog: &'static str,
    database: &'a str,
}

impl<'a> Start<'a> {
    pub(super) fn new(sql: &'a str, token: &'a str, settings: &'a AthenaSettings) -> Self {
        Self {
            query_string: sql,
            client_request_token: token,
            query_execution_context: Context { catalog: CATALOG, database: &settings.database },
            work_group: &settings.workgroup,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Started {
    query_execution_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfExecution<'a> {
    query_execution_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<u32>,
}

/// How far an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// Its result can be had.
    Succeeded,
    /// There is none.
    Failed,
    /// It was stopped: by somebody, or at the limit.
    Cancelled,
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// Why it is so, in Athena's words; not for clients.
    pub reason: Option<String>,
    /// When it was asked for, Unix milliseconds.
    pub asked_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Bytes that it read.
    pub scanned_bytes: u64,
}

impl Execution {
    /// Whether it read more than its workgroup allows.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
        matches!(self.state, State::Failed | State::Cancelled) && reason.contains(CUT_OFF)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    query_execution: FoundExecution,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundExecution {
    status: Status,
    #[serde(default)]
    statistics: Statistics,
}

/// Times are seconds since 1970 with a fraction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    state: State,
    state_change_reason: Option<String>,
    submission_date_time: Option<f64>,
    completion_date_time: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statistics {
    #[serde(default)]
    data_scanned_in_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundResults {
    result_set: FoundSet,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundSet {
    #[serde(default)]
    rows: Vec<FoundLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundLine {
    #[serde(default)]
    data: Vec<Datum>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Datum {
    var_char_value: Option<String>,
}

/// A page of a result.
#[derive(Debug)]
pub(super) struct ResultSet {
    /// Its lines; the first of the first page are the names of the columns. No value: none.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Names the next page.
    pub(super) next_token: Option<String>,
}

impl Athena {
    /// Starts an execution, or finds the one that was started with the same token; its id.
    pub(super) async fn start_query_execution(
        &self,
        start: &Start<'_>,
    ) -> Result<String, AthenaError> {
        let started: Started = self.ask("StartQueryExecution", start).await?;
        Ok(started.query_execution_id)
    }

    /// How far an execution is.
    pub(super) async fn get_query_execution(&self, id: &str) -> Result<Execution, AthenaError> {
        let asked = OfExecution { query_execution_id: id, next_token: None, max_results: None };
        let found: Found = self.ask("GetQueryExecution", &asked).await?;
        let Status { state, state_change_reason, submission_date_time, completion_date_time } =
            found.query_execution.status;
        Ok(Execution {
            id: id.to_owned(),
            state,
            reason: state_change_reason,
            asked_ms: submission_date_time.map(milliseconds),
            ended_ms: completion_date_time.map(milliseconds),
            scanned_bytes: found.query_execution.statistics.data_scanned_in_bytes,
        })
    }

    /// A page of an execution's result.
    pub(super) async fn get_query_results(
        &self,
        id: &str,
        next_token: Option<&str>,
        lines: u32,
    ) -> Result<ResultSet, AthenaError> {
        let asked = OfExecution { query_execution_id: id, next_token, max_results: Some(lines) };
        let found: FoundResults = self.ask("GetQueryResults", &asked).await?;
        let value = |line: FoundLine| line.data.into_iter().map(|it| it.var_char_value).collect();
        let rows = found.result_set.rows.into_iter().map(value).collect();
        Ok(ResultSet { rows, next_token: found.next_token })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        asked: &(impl Serialize + Sync),
    ) -> Result<T, AthenaError> {
        let body =
            serde_json::to_vec(asked).map_err(|error| AthenaError::Unreadable(operation, error))?;
        let answer = self.patiently(operation, body).await?;
        serde_json::from_slice(&answer).map_err(|error| AthenaError::Unreadable(operation, error))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a time")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_athena_expects() {
        let settings = AthenaSettings {
            workgroup: "w".to_owned(),
            database: "d".to_owned(),
            over_bytes: None,
            scan_limit_bytes: None,
            first_date: None,
            endpoint: None,
        };
        let written = serde_json::to_value(Start::new("SELECT 1", "t", &settings)).unwrap();
        let expected = serde_json::json!({
            "QueryString": "SELECT 1", "ClientRequestToken": "t", "WorkGroup": "w",
            "QueryExecutionContext": {"Catalog": "AwsDataCatalog", "Database": "d"},
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn an_execution_that_read_too_much_is_told_from_others() {
        let execution = |state, reason: &str| Execution {
            id: String::new(),
            state,
            reason: Some(reason.to_owned()),
            asked_ms: None,
            ended_ms: None,
            scanned_bytes: 0,
        };
        let said = "Query cancelled! : Bytes scanned limit was exceeded";
        assert!(execution(State::Cancelled, said).is_cut_off());
        assert!(execution(State::Failed, said).is_cut_off());
        assert!(!execution(State::Cancelled, "Query cancelled by user").is_cut_off());
        assert!(!execution(State::Succeeded, said).is_cut_off());
    }
}
