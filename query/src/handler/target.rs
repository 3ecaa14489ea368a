//! What a path asks about.

use super::queries;
use crate::{ledger, report};

/// The sites that a token opens.
const LIST_PATH: &str = "/v1/sites";
/// Where several sites are asked about.
pub(super) const SITES_PATH: &str = "/v1/metrics";
/// The report of the last minutes.
pub(super) const LIVE: &str = "live";

/// What a path asks about.
pub(super) enum Target<'a> {
    /// A report of a site.
    Site(i32, &'a str),
    /// The metrics of several sites.
    Sites,
    /// Which sites there are.
    List,
    /// A question that Athena is to answer.
    Queries,
    /// Its answer.
    Query(&'a str),
}

/// What `/v1/metrics`, `/v1/queries`, `/v1/sites` or `/v1/sites/{site}/{report}` asks about.
pub(super) fn target(path: &str) -> Option<Target<'_>> {
    match path {
        SITES_PATH => return Some(Target::Sites),
        LIST_PATH => return Some(Target::List),
        queries::PATH => return Some(Target::Queries),
        _ => {}
    }
    if let Some(id) = path.strip_prefix(queries::PATH) {
        return id.strip_prefix('/').map(Target::Query);
    }
    let (site, report) = path.strip_prefix("/v1/sites/")?.split_once('/')?;
    let id = site.parse().ok().filter(|id| *id > 0)?;
    let is_known = [LIVE, ledger::NAME].contains(&report) || report::is_known(report);
    (site.bytes().all(|byte| byte.is_ascii_digit()) && is_known).then_some(Target::Site(id, report))
}
