//! A question as SQL over the table `hits`: what `explain=true` shows.
//!
//! One text for the whole answer, of all its sites and of the dates that it is compared with; each
//! reads the table once. It says what [`crate::count`] counts once all hits are merged. Written for
//! Trino, which Athena is, in words that DuckDB knows as well. Made of `text::Sql` alone, so that
//! nothing that somebody sends becomes SQL but as a literal. Knows nobody who runs it.

mod build;
mod clock;
mod condition;
mod matching;
mod measure;
mod place;
#[cfg(test)]
mod tests;
mod text;
mod time;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::limits::{MAX_SQL_BYTES, MAX_SQL_SAME_HIT_GROUPS};

use crate::plan::Plan;
use crate::question::Question;

/// A question of one site.
pub struct OfSite<'a> {
    /// What is asked.
    pub question: &'a Question,
    /// The same, worked out.
    pub plan: &'a Plan,
    /// The site's dates that it reads.
    pub partitions: &'a [Date],
    /// The zone of its hours; none where the site's own was another on some of the dates.
    pub zone: Option<TimeZone>,
}

/// Why a question cannot be said in SQL exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// A local date begins twice.
    #[error(
        "the clocks of the zone go back over midnight after {0}, which its offsets alone do not say; give another tz"
    )]
    ClocksBackOverMidnight(Date),
    /// Hours of a site whose zone was changed.
    #[error("the site's time zone was changed around these dates; give tz")]
    ZoneChanged,
    /// Too many conditions that one hit must meet together.
    #[error(
        "the filter has {0} groups with conditions on one action of the visit; SQL takes {MAX_SQL_SAME_HIT_GROUPS}"
    )]
    ManySameHitGroups(usize),
    /// Longer than Athena takes.
    #[error(
        "its SQL has {0} bytes; Athena takes {MAX_SQL_BYTES}; ask with shorter filters or fewer sites"
    )]
    TooLong(usize),
}

/// The SQL of a question: of each of its sites, and of the same on the dates that it is compared with.
///
/// # Errors
///
/// [`Unsaid`] with the reason.
pub fn of(asked: &[OfSite<'_>], compared: &[OfSite<'_>]) -> Result<String, Unsaid> {
    within_limit(build::question(asked, compared)?.to_string())
}

fn within_limit(text: String) -> Result<String, Unsaid> {
    if text.len() > MAX_SQL_BYTES { Err(Unsaid::TooLong(text.len())) } else { Ok(text) }
}
