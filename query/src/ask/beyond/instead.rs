//! Why Athena is not asked, or gives no answer, in words for clients: nothing of what it says itself.

use jiff::civil::Date;
use lake::limits::ATHENA_RUNS;

use crate::athena::{Athena, AthenaError, Execution, Unsealed};
use crate::handler::Failed;
use crate::question::Refused;
use crate::sql::Unsaid;

/// When to ask again where the account has too much under way.
const BUSY_S: i64 = 5;
/// When an order of erasure may be carried out.
const UNERASED_S: i64 = 60;

/// Why Athena is not to answer a question.
pub(in crate::ask) enum Instead {
    /// There is none.
    NoWorkgroup,
    /// Nobody is there to seal the id for.
    NoToken,
    /// It is not said in SQL.
    Unsaid(Unsaid),
    /// Of this date there are hits that are to be erased.
    Unerased(Date),
    /// Athena's table begins later: a date, and its first.
    Unseen(Date, Date),
    /// It has no id.
    Unsealed(Unsealed),
}

impl From<Instead> for Failed {
    fn from(instead: Instead) -> Self {
        let refused = |detail: String| Refused::new("engine", "athena", detail).into();
        match instead {
            Instead::NoWorkgroup => refused(
                "no workgroup of Athena is set here (HITLAKE_ATHENA_WORKGROUP); ask with engine=scan"
                    .to_owned(),
            ),
            Instead::NoToken => {
                refused("Athena answers who asks with a token; ask with engine=scan".to_owned())
            }
            Instead::Unsaid(unsaid) => refused(format!(
                "this question cannot be said in SQL: {unsaid}; or ask with engine=scan"
            )),
            Instead::Unsealed(unsealed) => refused(format!("{unsealed}; or ask with engine=scan")),
            Instead::Unseen(date, first) => refused(format!(
                "there are hits of {date}, and Athena's table begins with {first}; ask for later dates, with engine=scan, or have the parameter FirstDate changed"
            )),
            Instead::Unerased(date) => Self::of(
                503,
                "Erasure under way",
                format!(
                    "the table still has hits of {date} that are to be erased; ask again when the erasure is done, or with engine=scan, which leaves them out"
                ),
            )
            .again_after(UNERASED_S),
        }
    }
}

/// The dates change faster than they are read.
pub(super) fn restless() -> Failed {
    let detail = format!(
        "the dates were replaced while Athena read them, {ATHENA_RUNS} times; ask for dates that are over, or with engine=scan"
    );
    Failed::of(503, "Not answered", detail).again_after(UNERASED_S)
}

/// An execution that has no result; Athena's own words are for the log.
pub(super) fn gave_up(athena: &Athena, execution: &Execution) -> Failed {
    let reason = execution.reason.as_deref().unwrap_or("no reason given");
    tracing::error!(execution = execution.id, "Athena gave up: {reason}");
    if !execution.is_cut_off() {
        let detail = "Athena could not run the question; ask again, or with engine=scan";
        return Failed::of(502, "Athena failed", detail.to_owned());
    }
    let limit = match athena.settings().scan_limit_bytes {
        Some(limit) => format!("more than {limit} bytes, the limit of its workgroup"),
        None => format!("{} bytes, the limit of its workgroup", execution.scanned_bytes),
    };
    let detail = format!(
        "Athena was cut off: the question reads {limit}; ask for fewer dates, metrics or dimensions, or have the limit raised (QueryScanLimitBytes)"
    );
    Failed::of(422, "Too large", detail)
}

pub(super) fn failed_athena(error: &AthenaError) -> Failed {
    tracing::error!("Athena was not asked: {error}");
    match error {
        AthenaError::Busy(_) => {
            let detail = format!("Athena has as much under way as it may; ask again in {BUSY_S} s");
            Failed::of(429, "Too many questions", detail).again_after(BUSY_S)
        }
        AthenaError::TooLarge => {
            Failed::of(422, "Too large", format!("{error}; ask for pages by limit and offset"))
        }
        AthenaError::Unreached(_) | AthenaError::Within(_) | AthenaError::Late => {
            let detail = "Athena could not be reached; ask again, or with engine=scan";
            Failed::of(503, "Not answered", detail.to_owned()).again_after(BUSY_S)
        }
        AthenaError::NotConfigured
        | AthenaError::Refused { .. }
        | AthenaError::Unreadable(..)
        | AthenaError::Strange(_) => {
            let detail = "Athena did not take the question, or its answer is no answer to it; the log of the request says why; ask with engine=scan";
            Failed::of(502, "Athena failed", detail.to_owned())
        }
    }
}
