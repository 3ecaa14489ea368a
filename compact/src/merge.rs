//! Merge: a date's table object and the hot objects that wait for it in, a new table object out.
//!
//! Knows dates, objects and the rule of when a date is due; the visits are `lake`'s. No lock:
//! the table object is replaced whole if nobody else has replaced it meanwhile, else the date is
//! begun again, so that two merges at once are harmless and one killed anywhere leaves no trace.

mod account;
mod build;
mod date;
mod due;
pub(crate) mod facts;
mod fetch;
mod in_force;
mod look;
mod rejected;
pub mod report;
mod scratch;
mod share;
mod status;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::clock::Clock;
use lake::environment::{Environment, EnvironmentError};
use lake::goals::Goals;
use lake::layout;
use lake::limits::{MERGE_LEAST_MEMORY_MB, MERGE_MEMORY_MB};
use lake::orders::OrderBook;
use lake::salt::delete_expired_salts;
use lake::site::BotRules;
use lake::store::StoreRef;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

pub use build::Anew;
pub use due::Due;
use facts::FactsCache;
use in_force::InForce;
pub use look::Found;
use look::LastCheck;
use scratch::Scratch;
pub use share::{Share, ShareError};
pub use status::DateStatus;

/// The variable that names the memory of a merge, in MiB.
pub const MEMORY_VARIABLE: &str = "HITLAKE_MERGE_MEMORY_MB";
/// What it may be.
pub const MEMORY_ALLOWED: &str = "a number of MiB, 256 or more";
const MIB: usize = 1024 * 1024;

/// A number of MiB that is enough.
struct MemoryMb(usize);

impl FromStr for MemoryMb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(mb) if mb >= MERGE_LEAST_MEMORY_MB => Ok(Self(mb)),
            Ok(mb) => Err(format!("{mb} is less than {MERGE_LEAST_MEMORY_MB}")),
            Err(error) => Err(std::num::ParseIntError::to_string(&error)),
        }
    }
}

/// What a merge needs; built once.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Where hot and table objects lie.
    pub store: StoreRef,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Folder for what does not fit into memory, and the new table object before it is sent.
    pub scratch: PathBuf,
    /// Memory that a merge may use, about.
    pub memory_bytes: usize,
    facts: Arc<FactsCache>,
    goals: Arc<InForce<Goals>>,
    bot_rules: Arc<InForce<BotRules>>,
    last_check: Arc<LastCheck>,
    pub(crate) orders: Arc<OrderBook>,
}

/// One date that was merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The date.
    pub dt: Date,
    /// Rows of the table object now.
    pub rows: usize,
    /// Bytes of the table object now.
    pub bytes: u64,
    /// Rows read from hot objects.
    #[serde(default)]
    pub received: u64,
    /// Rows dropped because their id was there already.
    #[serde(default)]
    pub duplicates: usize,
    /// Parts that the date has.
    #[serde(skip)]
    pub parts: u16,
    /// How long the slowest of the parts took that were merged, milliseconds.
    #[serde(skip)]
    pub slowest_ms: i64,
}

/// What the merge function takes: nothing (all dates that are due), or dates to merge now; and
/// which share of them, where several runs divide the work.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Request {
    /// Dates to merge whether they are due or not.
    #[serde(default)]
    pub dates: Option<Vec<Date>>,
    /// Which of the dates' parts: the fields `share` and `of` of the event.
    #[serde(flatten)]
    pub share: Share,
}

impl Request {
    /// Merges these dates now, due or not.
    #[must_use]
    pub fn of(dates: Vec<Date>) -> Self {
        Self { dates: Some(dates), share: Share::default() }
    }
}

/// What the merge function returns.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Answer {
    /// The dates that were merged.
    pub dates: Vec<Merged>,
}

impl Merge {
    /// A merge with the default memory; removes what killed ones left in `scratch`.
    #[must_use]
    pub fn new(store: StoreRef, clock: Arc<dyn Clock>, scratch: PathBuf) -> Self {
        Scratch::remove_leftovers(&scratch);
        let memory_bytes = MERGE_MEMORY_MB * MIB;
        let orders = Arc::new(OrderBook::new(Arc::clone(&store)));
        let (facts, goals, bot_rules, last_check) = Default::default();
        Self { store, clock, scratch, memory_bytes, facts, goals, bot_rules, last_check, orders }
    }

    /// The same with the memory that [`MEMORY_VARIABLE`] names, where it is set.
    ///
    /// # Errors
    ///
    /// When it is no number of MiB, or less than the merge can work with.
    pub fn with_memory_of(self, environment: &Environment) -> Result<Self, EnvironmentError> {
        let memory = environment.parse::<MemoryMb>(MEMORY_VARIABLE, MEMORY_ALLOWED)?;
        let memory_bytes = memory.map_or(self.memory_bytes, |memory| memory.0 * MIB);
        Ok(Self { memory_bytes, ..self })
    }

    /// Merges the dates asked for, or looks ([`Merge::look`]) and keeps house
    /// ([`Merge::keep_house`]).
    ///
    /// # Errors
    ///
    /// When a date could not be merged; the others have been.
    pub async fn handle(&self, request: Request) -> anyhow::Result<Answer> {
        match request.dates {
            Some(dates) => self.merge(&dates, Anew::Nothing, request.share).await,
            None => self.keep_house(&self.look(request.share).await?).await,
        }
    }

    /// Merges the dates that were found to be due; then, where one share of several does what is no
    /// date's, folds accounts together, and deletes rejected records that are old and salts that
    /// are not to recognise anybody any more.
    ///
    /// # Errors
    ///
    /// When a date could not be merged; the others have been.
    pub async fn keep_house(&self, found: &Found) -> anyhow::Result<Answer> {
        let due: Vec<Date> = found.due.iter().map(|due| due.dt).collect();
        let merged = self.merge(&due, Anew::Nothing, found.share).await;
        if !found.share.keeps_house() {
            return merged;
        }
        // A date that cannot be merged keeps nothing else from its turn.
        self.fold_old_accounts().await?;
        self.delete_old_rejected().await?;
        let deleted = delete_expired_salts(&self.store, self.clock.now_ms()).await;
        deleted.context("deleting salts whose period is over")?;
        merged
    }

    /// Merges every date that has waiting hits, due or not.
    ///
    /// # Errors
    ///
    /// As [`Merge::handle`].
    pub async fn merge_all(&self) -> anyhow::Result<Answer> {
        let dates = self.hot_dates().await?;
        self.merge(&dates, Anew::Nothing, Share::default()).await
    }

    /// Works history out anew in this, on every date that it concerns; waiting hits of these dates
    /// are merged with it.
    ///
    /// # Errors
    ///
    /// As [`Merge::handle`]; run again, it goes on with what is left.
    pub async fn reapply(&self, anew: Anew) -> anyhow::Result<Answer> {
        let dates: Vec<Date> = self.dates().await?.into_iter().collect();
        self.merge(&dates, anew, Share::default()).await
    }

    async fn merge(&self, dates: &[Date], anew: Anew, share: Share) -> anyhow::Result<Answer> {
        let mut answer = Answer::default();
        let mut failed = None;
        self.goals.forget().await;
        self.bot_rules.forget().await;
        for &dt in dates {
            match self.merge_date(dt, anew, share).await {
                Ok(merged) => answer.dates.extend(merged),
                Err(error) => {
                    tracing::error!(%dt, "date {dt} not merged: {error:#}");
                    failed = Some(error.context(format!("merging {dt}")));
                }
            }
        }
        failed.map_or(Ok(answer), Err)
    }

    /// Every date that has objects.
    pub(super) async fn dates(&self) -> anyhow::Result<BTreeSet<Date>> {
        let (table, hot) = (self.dates_of(layout::HITS).await?, self.hot_dates().await?);
        Ok(table.into_iter().chain(hot).collect())
    }

    /// Dates that have hot objects.
    pub(crate) async fn hot_dates(&self) -> anyhow::Result<Vec<Date>> {
        self.dates_of(layout::HOT).await
    }

    async fn dates_of(&self, zone: &str) -> anyhow::Result<Vec<Date>> {
        let listed = self.store.list_with_delimiter(Some(&Path::from(zone))).await;
        let folders = listed.with_context(|| format!("listing the dates of {zone}/"))?;
        Ok(folders.common_prefixes.iter().filter_map(layout::date_of).collect())
    }

    /// The hot objects of a date, in the order of their names.
    pub(crate) async fn hot_objects(&self, dt: Date) -> anyhow::Result<Vec<ObjectMeta>> {
        let prefix = layout::date_prefix(layout::HOT, dt);
        let mut listed: Vec<ObjectMeta> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .with_context(|| format!("listing {prefix}"))?;
        listed.retain(|object| layout::batch_of(&object.location).is_some());
        listed.sort_unstable_by(|left, right| left.location.cmp(&right.location));
        Ok(listed)
    }
}
