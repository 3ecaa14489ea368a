//! What is known of the dates of a question without reading a row: what reading it would take, and
//! whether somebody who reads the table alone would see what an answer must show.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::QUERY_CONCURRENT_DATES;
use object_store::path::Path;

use super::date::{hidden_in, needed_of_site};
use super::error::ScanError;
use super::list::Objects;
use super::open::Opened;
use super::parts::open_table;
use super::{Listed, Scanner, Sites, version};
use crate::plan::Plan;

/// What the table is like on some dates.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The version of the data, as a scan has it.
    pub(crate) version: u64,
    /// Names and ETags of the table objects, in their order.
    pub(crate) objects: Vec<String>,
    /// The first date that has any.
    pub(crate) first: Option<Date>,
    /// Dates of which hits are not in the table yet.
    pub(crate) waiting: BTreeSet<Date>,
    /// A date of which the table still has hits that orders of erasure cover.
    pub(crate) unerased: Option<Date>,
    /// When one of the objects was last written, Unix milliseconds.
    pub(crate) written_ms: Option<i64>,
}

impl Standing {
    /// Of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.objects.extend(other.objects);
        self.waiting.extend(other.waiting);
        Self {
            first: [self.first, other.first].into_iter().flatten().min(),
            unerased: self.unerased.or(other.unerased),
            written_ms: self.written_ms.max(other.written_ms),
            version: version::of_both(self.version, other.version),
            ..self
        }
    }
}

impl Scanner {
    /// Whether a scan would read more bytes than these of the table. The sizes of the objects are an
    /// upper bound that costs nothing; above it the footers say which columns of which rows are
    /// needed, and no more of them are read than it takes.
    ///
    /// # Errors
    ///
    /// When a footer cannot be read.
    pub(crate) async fn reads_more(
        &self,
        questions: &[(&Sites, &Listed)],
        bytes: u64,
    ) -> Result<bool, ScanError> {
        let mut listed_bytes = 0_u64;
        let mut needed = Vec::new();
        for (sites, listed) in questions {
            for (dt, objects) in &listed.lists.0 {
                listed_bytes += objects.parts.iter().map(|part| part.size).sum::<u64>();
                needed.push(self.needed(sites, *dt, objects));
            }
        }
        if listed_bytes <= bytes {
            return Ok(false);
        }
        let mut needed =
            futures_util::stream::iter(needed).buffer_unordered(QUERY_CONCURRENT_DATES);
        let mut all = 0_u64;
        while let Some(of_date) = needed.try_next().await? {
            all = all.saturating_add(of_date);
            if all > bytes {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes of the columns that a question needs of a date.
    async fn needed(&self, sites: &Sites, dt: Date, objects: &Objects) -> Result<u64, ScanError> {
        let Some((plan, _)) = sites.first() else { return Ok(0) };
        let parts = match open_table(self, plan, objects).await {
            Ok((parts, _)) => parts,
            // Somebody is at it; the scan takes care of that.
            Err(ScanError::Replaced(_)) => return Ok(0),
            Err(error) => return Err(error),
        };
        let plans = sites.iter().filter(|(_, partitions)| partitions.contains(&dt));
        Ok(plans.map(|(plan, _)| needed_of_site(&plan.columns, &parts, plan.site)).sum())
    }

    async fn open_date(
        &self,
        plan: &Plan,
        dt: Date,
        objects: &Objects,
    ) -> Result<(Date, Vec<Arc<Opened>>, Vec<Path>), ScanError> {
        let (parts, hot) = open_table(self, plan, objects).await?;
        Ok((dt, parts, hot))
    }

    /// What the table is like on the dates.
    ///
    /// # Errors
    ///
    /// When a footer cannot be read, [`ScanError::Replaced`] among others.
    pub(crate) async fn standing(
        &self,
        sites: &Sites,
        listed: &Listed,
    ) -> Result<Standing, ScanError> {
        let (objects, hidden) = &listed.lists;
        let mut standing = Standing { version: listed.version, ..Standing::default() };
        let Some((plan, _)) = sites.first() else { return Ok(standing) };
        let mut opens = Vec::new();
        for (dt, objects) in objects {
            if !objects.parts.is_empty() {
                standing.first.get_or_insert(*dt);
            }
            for part in &objects.parts {
                let e_tag = part.e_tag.as_deref().unwrap_or_default();
                standing.objects.push(format!("{} {e_tag}", part.location));
                let written_ms = Some(part.last_modified.timestamp_millis());
                standing.written_ms = standing.written_ms.max(written_ms);
            }
            if !objects.hot.is_empty() || !hidden.is_empty() {
                opens.push(self.open_date(plan, *dt, objects));
            }
        }
        let mut opened = futures_util::stream::iter(opens).buffered(QUERY_CONCURRENT_DATES);
        while let Some((dt, parts, hot)) = opened.try_next().await? {
            if !hot.is_empty() {
                standing.waiting.insert(dt);
            }
            let unerased = hidden.iter().any(|(site, orders)| {
                let left = hidden_in(&parts, *site, orders);
                left.may_cover(*site, dt)
            });
            if unerased {
                standing.unerased.get_or_insert(dt);
            }
        }
        Ok(standing)
    }
}
