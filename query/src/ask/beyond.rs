//! Questions beyond one function: whether one is, and its way through Athena and back.
//!
//! Nothing is remembered of a query. Its id holds the question, and which version of the data was
//! asked; an answer is given only while the table's objects are still that version.

mod instead;

use std::sync::Arc;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue};
use lake::limits::{ATHENA_RUNS, QUERY_DATE_ATTEMPTS};
use serde_json::json;

use super::{Found, Given, Planned, Prepared, Written};
use crate::athena::{Athena, Execution, Lines, Sealed, State, data_version, read};
use crate::count::Counted;
use crate::handler::{
    Answered, Failed, JSON, NO_SITE, Query, Request, failed_scan, fill_in_format, has_changed,
};
use crate::question::{Engine, Parameters, Question};
use crate::scan::{Listed, ScanError, Standing};
use instead::{Instead, failed_athena, gave_up, restless};

/// What a sealed question says in another way, or not at all.
const NOT_SEALED: [&str; 7] = ["sites", "from", "to", "period", "date", "engine", "redirect"];

/// A question for Athena.
struct Beyond {
    sql: String,
    /// The version of its data.
    data: u128,
    standing: Standing,
}

impl Query {
    /// Whether a question is more than one function is to read.
    pub(super) async fn is_beyond(
        &self,
        prepared: &Prepared,
        request: &Request<'_>,
        [now, before]: &[Listed; 2],
    ) -> Result<bool, Failed> {
        let over = self.athena.as_ref().and_then(|athena| athena.settings().over_bytes);
        let Some(over) = over.filter(|_| request.token.is_some()) else { return Ok(false) };
        if prepared.question()?.engine != Engine::Auto {
            return Ok(false);
        }
        let Planned { now: asked, before: compared, .. } = &prepared.planned;
        let both = [(asked.as_slice(), now), (compared.as_slice(), before)];
        self.scanner.reads_more(&both, over).await.map_err(|error| failed_scan(&error))
    }

    /// Has Athena answer a question, whose objects are listed; within it, why it is not to.
    pub(super) async fn begin(
        &self,
        prepared: &Prepared,
        given: &Given<'_>,
        request: &Request<'_>,
        listed: &[Listed; 2],
    ) -> Result<Result<Answered, Instead>, Failed> {
        let Some(athena) = &self.athena else { return Ok(Err(Instead::NoWorkgroup)) };
        match self.beyond(athena, prepared, Some(listed)).await? {
            Ok(beyond) => self.run(athena, &beyond, (prepared, given, request), 0).await,
            Err(instead) => Ok(Err(instead)),
        }
    }

    /// The question as Athena is to be asked it, just now.
    async fn beyond(
        &self,
        athena: &Athena,
        prepared: &Prepared,
        listed: Option<&[Listed; 2]>,
    ) -> Result<Result<Beyond, Instead>, Failed> {
        let sql = match prepared.sql()? {
            Ok(sql) => sql,
            Err(unsaid) => return Ok(Err(Instead::Unsaid(unsaid))),
        };
        let standing = self.standing(&prepared.planned, listed).await?;
        if let Some(date) = standing.unerased {
            return Ok(Err(Instead::Unerased(date)));
        }
        let settings = athena.settings();
        if let (Some(date), Some(first)) = (standing.first, settings.first_date)
            && date < first
        {
            return Ok(Err(Instead::Unseen(date, first)));
        }
        // Where the limit is raised, what was cut off may be asked again.
        let limit = settings.scan_limit_bytes.unwrap_or_default().to_string();
        let what = [&sql, &settings.workgroup, &settings.database, &limit];
        let data = data_version(what.into_iter().chain(&standing.objects));
        Ok(Ok(Beyond { sql, data, standing }))
    }

    /// What the table is like on the dates of a question; listed again where it changes meanwhile.
    async fn standing(
        &self,
        planned: &Planned,
        mut listed: Option<&[Listed; 2]>,
    ) -> Result<Standing, Failed> {
        let mut attempt = 1;
        loop {
            let standing = match listed.take() {
                Some(listed) => self.standing_of(planned, listed).await,
                None => self.standing_of(planned, &self.list(planned, None).await?).await,
            };
            match standing {
                Err(ScanError::Replaced(_)) if attempt < QUERY_DATE_ATTEMPTS => attempt += 1,
                done => return done.map_err(|error| failed_scan(&error)),
            }
        }
    }

    async fn standing_of(
        &self,
        planned: &Planned,
        [now, before]: &[Listed; 2],
    ) -> Result<Standing, ScanError> {
        let (now, before) = futures_util::future::try_join(
            self.scanner.standing(&planned.now, now),
            self.scanner.standing(&planned.before, before),
        )
        .await?;
        Ok(now.and(before))
    }

    /// Starts an execution, or finds the one of the same question and data; where to ask for it.
    async fn run(
        &self,
        athena: &Athena,
        beyond: &Beyond,
        (prepared, given, request): (&Prepared, &Given<'_>, &Request<'_>),
        run: u32,
    ) -> Result<Result<Answered, Instead>, Failed> {
        let Some(token) = request.token else { return Ok(Err(Instead::NoToken)) };
        let parameters = sealed_parameters(prepared.question()?, given);
        let sites = (given.sites, given.by_sites);
        let seal = |execution: &str| {
            let sealed =
                Sealed::new(execution.to_owned(), beyond.data, run, sites, parameters.clone());
            sealed.seal(token, athena.random())
        };
        // Before anything is started: all executions have ids of one length.
        if let Err(unsealed) = seal(EXAMPLE) {
            return Ok(Err(Instead::Unsealed(unsealed)));
        }
        let started = athena.start(&beyond.sql, beyond.data).await;
        let execution = started.map_err(|error| failed_athena(&error))?;
        tracing::info!(execution = execution.id, run, "Athena answers");
        Ok(seal(&execution.id)
            .map(|id| accepted(&id, &execution, self.clock.now_ms()))
            .map_err(Instead::Unsealed))
    }

    /// The answer of a query, or how far it is; none where Athena does not know it.
    pub(crate) async fn finish_query(
        &self,
        (id, sealed): (&str, &Sealed),
        given: &Given<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Answered>, Failed> {
        let Some(athena) = &self.athena else { return Err(Instead::NoWorkgroup.into()) };
        let mut parameters = given.parameters.clone();
        fill_in_format(&request.event.headers, &mut parameters)?;
        let prepared = self.prepare(given, &parameters).await?;
        let execution = match athena.find(&sealed.execution).await {
            Err(error) if error.is_absent() => return Ok(None),
            found => found.map_err(|error| failed_athena(&error))?,
        };
        // After the execution: what is the same before it and after it was the same meanwhile.
        let beyond = self.beyond(athena, &prepared, None).await??;
        if sealed.is_of(beyond.data) && !athena.is_forgotten(&execution) {
            return self.so_far(athena, &prepared, beyond, (id, &execution)).await.map(Some);
        }
        if sealed.run + 1 >= ATHENA_RUNS {
            return Err(restless());
        }
        let parameters = Parameters::from(sealed.parameters.clone());
        let again = Given { parameters: &parameters, ..*given };
        let asked = (&prepared, &again, request);
        Ok(Some(self.run(athena, &beyond, asked, sealed.run + 1).await??))
    }

    /// The answer of an execution over the data as they are, or how far it is.
    async fn so_far(
        &self,
        athena: &Athena,
        prepared: &Prepared,
        beyond: Beyond,
        (id, execution): (&str, &Execution),
    ) -> Result<Answered, Failed> {
        match execution.state {
            State::Queued | State::Running => Ok(accepted(id, execution, self.clock.now_ms())),
            State::Failed | State::Cancelled => Err(gave_up(athena, execution)),
            State::Succeeded => {
                let lines = athena.lines(&execution.id).await;
                let lines = lines.map_err(|error| failed_athena(&error))?;
                self.written(prepared, beyond, (execution, &lines))
            }
        }
    }

    fn written(
        &self,
        prepared: &Prepared,
        beyond: Beyond,
        (execution, lines): (&Execution, &Lines),
    ) -> Result<Answered, Failed> {
        let question = prepared.question()?;
        let plan = |plans: &super::Plans| plans.first().map(|(plan, _)| Arc::clone(plan));
        let now = plan(&prepared.planned.now).ok_or(NO_SITE)?;
        let before = plan(&prepared.planned.before);
        let counted = read(lines, question, &now, before.as_deref());
        let (counted, compared) = counted.map_err(|error| failed_athena(&error))?;
        prepared.work.says(Ok(beyond.sql));
        prepared.work.add_bytes(usize::try_from(execution.scanned_bytes).unwrap_or(usize::MAX));
        prepared.work.scanned();
        let Standing { waiting, written_ms, version, .. } = beyond.standing;
        let as_of_ms = written_ms.unwrap_or_else(|| self.clock.now_ms());
        let counted = Counted { data: Some(version), ..counted };
        let found = Found { counted, compared, waiting, as_of_ms };
        let (kind, Written { body, changed, .. }) = prepared.write(found)?;
        Ok(Answered::new(200, kind, body).with(changed.map(has_changed)))
    }
}

/// As long as Athena's ids of executions are.
const EXAMPLE: &str = "00000000-0000-0000-0000-000000000000";

/// The parameters with dates that do not move.
fn sealed_parameters(question: &Question, given: &Given<'_>) -> Vec<(String, String)> {
    let mut parameters = given.parameters.but(&NOT_SEALED);
    parameters.push(("from".to_owned(), question.from.to_string()));
    parameters.push(("to".to_owned(), question.to.to_string()));
    parameters
}

/// A query is under way.
fn accepted(id: &str, execution: &Execution, now_ms: i64) -> Answered {
    let state = match execution.state {
        State::Queued => "queued",
        State::Running => "running",
        State::Succeeded => "done",
        State::Failed | State::Cancelled => "failed",
    };
    let waited_ms = execution.asked_ms.map_or(0, |asked_ms| now_ms - asked_ms);
    let body = json!({"id": id, "state": state}).to_string();
    let location = HeaderValue::from_str(&format!("/v1/queries/{id}")).ok();
    let location: Option<(HeaderName, HeaderValue)> = location.map(|it| (LOCATION, it));
    let wait = (RETRY_AFTER, HeaderValue::from(wait_s(waited_ms)));
    Answered::new(202, JSON, body).with(location).with([wait])
}

/// Seconds until it is worth asking again: the longer it takes, the longer it may go on.
const fn wait_s(waited_ms: i64) -> i64 {
    match waited_ms {
        ..10_000 => 1,
        10_000..60_000 => 2,
        _ => 5,
    }
}
