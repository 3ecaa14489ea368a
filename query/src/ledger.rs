//! The ledger of a site: for every hour of receipt what was accepted, and what became of it.
//!
//! Every figure is counted where it arises and read from there; only `unexplained` is the
//! difference that is left. `read` looks at the store, `figures` adds up, this answers.
//! docs/decisions/ledger.md says what each figure is.

mod figures;
mod parked;
mod read;

use jiff::Timestamp;
use lake::layout::HOUR_MS;
use lake::site::Site;
use lake::store::StoreRef;
use serde_json::{Value, json};

use crate::question::{Parameters, Refused, dates};
use crate::scan::{ScanError, Scanner};
use figures::Figures;

/// The last part of its path.
pub const NAME: &str = "ledger";
/// Its parameters.
pub(crate) const PARAMETERS: [&str; 4] = ["from", "to", "period", "date"];

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The question is wrong.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Where it looks.
#[derive(Debug, Clone, Copy)]
pub struct Stores<'a> {
    /// Everything else.
    pub own: &'a StoreRef,
    /// The bucket in which Lambda parks batches.
    pub parked: Option<&'a StoreRef>,
}

/// The answer's body: the hours whose start lies on the dates asked for, in the site's time.
///
/// # Errors
///
/// [`LedgerError`] when the dates are wrong or the store cannot be read.
pub async fn answer(
    scanner: &Scanner,
    stores: Stores<'_>,
    site: &Site,
    query: &str,
    now_ms: i64,
) -> Result<String, LedgerError> {
    let parameters = Parameters::parse(query, &PARAMETERS)?;
    let (from, to) = dates(&parameters, site.local_date(now_ms))?;
    let id = site.settings.id;
    let mut totals = Figures::default();
    let mut rows = Vec::new();
    for (hour, figures) in read::hours(scanner, stores, id, now_ms).await? {
        let start_ms = hour * HOUR_MS;
        let date = site.local_date(start_ms);
        if date < from || date > to {
            continue;
        }
        totals.add(&figures);
        let mut row = serde_json::Map::from_iter([("time".to_owned(), time(site, start_ms))]);
        row.extend(figures.json());
        rows.push(Value::Object(row));
    }
    let as_of = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let answer = json!({
        "site": id, "from": from.to_string(), "to": to.to_string(),
        "timezone": site.settings.timezone,
        "rows": rows, "totals": totals.json(), "as_of": as_of.to_string(),
    });
    Ok(answer.to_string())
}

/// The start of an hour as local time with its offset.
fn time(site: &Site, start_ms: i64) -> Value {
    let start = Timestamp::from_millisecond(start_ms).unwrap_or_default();
    let local = start.to_zoned_datetime(site.zone_at(start_ms));
    local.strftime("%Y-%m-%dT%H:%M:00%:z").to_string().into()
}
