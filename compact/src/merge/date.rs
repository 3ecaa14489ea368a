//! One date: read, build, replace; begun again when somebody else replaced it meanwhile.
//!
//! Why two merges at once are harmless: a table object is replaced only if it is the very version
//! whose footer and rows were read, so the hot objects that the new one says it holds are those of
//! its rows. A hot object is deleted only by who has read a footer that has named it for a day. A
//! merge that listed it before and comes to read it after finds it gone and begins again; one that
//! had read it before read an older table, and its replacement fails.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::civil::Date;
use lake::goals::Goals;
use lake::layout::{self, Holds, Parts};
use lake::limits::HOT_KEPT_MS;
use lake::site::BotRules;
use lake::store::is_conflict;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::build::{self, Anew, Built};
use super::facts::{Facts, is_held};
use super::fetch::{Fetched, fetch};
use super::scratch::Scratch;
use super::{Merge, Merged, Share};

/// How often a date is begun again because its objects changed meanwhile.
const MAX_ATTEMPTS: u32 = 8;

/// The part with which the deletion of a date's hot objects goes.
pub(super) const FIRST_PART: u16 = 0;

/// What is to be done about one part of a date.
#[derive(Debug, Clone, Copy)]
struct Job {
    dt: Date,
    part: u16,
    parts: u16,
    anew: Anew,
    /// Write it anew even if nothing waits, unless it has applied all orders.
    rewrites: bool,
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    merged: Merged,
    replaced: bool,
    /// Objects that have rows which orders of erasure cover.
    erased_from: BTreeSet<String>,
}

/// How one attempt ended.
enum Attempt {
    Nothing(Arc<Facts>),
    Replaced(Built),
    Changed,
}

impl Merge {
    /// Merges what waits for the parts of a date that are of this share, one after the other;
    /// nothing when nothing waits.
    pub(crate) async fn merge_date(
        &self,
        dt: Date,
        anew: Anew,
        share: Share,
    ) -> anyhow::Result<Option<Merged>> {
        if share.takes(dt, FIRST_PART) {
            self.delete_held(dt).await?;
        }
        let parts = self.parts(dt).await?;
        let mut whole = Merged { dt, parts, ..Merged::default() };
        let mut any = false;
        let mut erased_from = BTreeSet::new();
        for part in (0..parts).filter(|part| share.takes(dt, *part)) {
            let began_ms = self.clock.now_ms();
            let done = self.merge_part(Job { dt, part, parts, anew, rewrites: false }).await?;
            whole.slowest_ms = whole.slowest_ms.max(self.clock.now_ms() - began_ms);
            any |= done.replaced;
            whole.rows += done.merged.rows;
            whole.bytes += done.merged.bytes;
            whole.received += done.merged.received;
            whole.duplicates += done.merged.duplicates;
            erased_from.extend(done.erased_from);
        }
        self.delete_erased(dt, &erased_from).await?;
        Ok(any.then_some(whole))
    }

    /// Writes one table object anew without the rows that orders of erasure cover: its bytes then.
    pub(crate) async fn rewrite(&self, dt: Date, part: u16) -> anyhow::Result<u64> {
        let parts = self.parts(dt).await?;
        let done =
            self.merge_part(Job { dt, part, parts, anew: Anew::Nothing, rewrites: true }).await?;
        Ok(done.merged.bytes)
    }

    /// Deletes hot objects that have rows which orders cover, now that every part of their date
    /// holds the rest. Whoever was about to read one finds it gone and reads the table again.
    async fn delete_erased(&self, dt: Date, names: &BTreeSet<String>) -> anyhow::Result<()> {
        let zone = Path::from(layout::HOT);
        let paths = names.iter().map(|name| Path::from(name.as_str()));
        let hot: Vec<Path> = paths.filter(|path| path.prefix_matches(&zone)).collect();
        if hot.is_empty() {
            return Ok(());
        }
        let table = self.table(dt).await?;
        self.fold_accounts(dt).await?;
        for path in hot.iter().filter(|path| is_held(&table, path)) {
            self.delete_hot(path).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_hot(&self, path: &Path) -> anyhow::Result<()> {
        self.store.delete(path).await.with_context(|| format!("deleting {path}"))
    }

    /// How many parts a date has.
    async fn parts(&self, dt: Date) -> anyhow::Result<u16> {
        let parts = Parts::read(self.store.as_ref()).await;
        Ok(parts.with_context(|| format!("reading {}", layout::PARTS_PATH))?.of(dt))
    }

    /// The footers of a date's table objects, all parts.
    pub(crate) async fn table(&self, dt: Date) -> anyhow::Result<Vec<Arc<Facts>>> {
        let parts = self.parts(dt).await?;
        let mut table = Vec::with_capacity(usize::from(parts));
        for part in 0..parts {
            let path = layout::table_object(dt, part);
            let facts = self.facts.read(&self.store, &path).await?;
            let written = facts.merged.as_ref().map_or(parts, |merged| merged.parts);
            anyhow::ensure!(
                written == parts,
                "{path} is one of {written} parts, but {} says {parts}: give the date its old number again",
                layout::PARTS_PATH
            );
            table.push(facts);
        }
        Ok(table)
    }

    /// Merges what waits for a part.
    async fn merge_part(&self, job: Job) -> anyhow::Result<Done> {
        let Job { dt, part, .. } = job;
        let mut done = Done::default();
        done.merged.dt = dt;
        for attempt in 1..=MAX_ATTEMPTS {
            match self.attempt(job, &mut done).await? {
                // After a replacement whose answer was lost, what it brought is there.
                Attempt::Nothing(facts) => {
                    done.merged.rows = usize::try_from(facts.rows)?;
                    done.merged.bytes = facts.bytes;
                    done.replaced = attempt > 1;
                    return Ok(done);
                }
                Attempt::Replaced(built) => {
                    tracing::info!(
                        %dt, part, attempt, received = built.received, rows = built.rows,
                        bytes = built.bytes,
                        duplicates = done.merged.duplicates, runs = built.runs,
                        standing = built.standing, spooled_bytes = built.spooled_bytes,
                        "date {dt} merged: {} rows", built.rows
                    );
                    done.merged.rows = usize::try_from(built.rows)?;
                    done.merged.bytes = built.bytes;
                    done.replaced = true;
                    return Ok(done);
                }
                Attempt::Changed => {
                    tracing::info!(%dt, part, attempt, "objects of {dt} changed meanwhile; beginning again");
                }
            }
        }
        anyhow::bail!(
            "the objects of {dt} changed {MAX_ATTEMPTS} times while it was merged; the next run goes on"
        )
    }

    async fn attempt(&self, job: Job, done: &mut Done) -> anyhow::Result<Attempt> {
        let Job { dt, part, parts, anew, rewrites } = job;
        let path = layout::table_object(dt, part);
        // The orders first: an object that was written before one of them is not newer than them.
        let erasing = self.orders.erasing().await.context("reading the orders of erasure")?;
        // The list first: what is deleted later is held by the footer that is read after it.
        let hot = self.hot_objects(dt).await?;
        let table = self.table(dt).await?;
        let facts = table.get(usize::from(part)).cloned().unwrap_or_default();
        let names = hot.iter().map(|object| object.location.clone());
        let waiting: Vec<Path> = names.filter(|hot| !facts.holds.contains(hot)).collect();
        let is_to_rewrite = rewrites && facts.lacks(&erasing.open)
            || anew.concerns(&facts)
            || self.can_meet_goals(&facts).await?;
        if waiting.is_empty() && !is_to_rewrite {
            return Ok(Attempt::Nothing(facts));
        }
        let goals = self.goals().await?;
        let scratch = Scratch::create(&self.scratch)?;
        build::phase("objects fetched");
        let fetched = fetch(&self.store, &scratch, (&path, &facts), &waiting).await?;
        let Fetched::Sources(sources) = fetched else { return Ok(Attempt::Changed) };
        let job = build::Job {
            sources,
            holds: self.new_holds(&facts.holds, &hot, &waiting),
            previous: facts.merged.clone(),
            goals,
            dt,
            orders: erasing.orders,
            open_orders: erasing.open,
            anew,
            bot_rules: self.bot_rules(anew).await?,
            part,
            parts,
            memory_bytes: self.memory_bytes,
            scratch,
        };
        let built = tokio::task::spawn_blocking(move || build::build(job));
        let built = built.await.context("the merge's thread ended")??;
        done.merged.received = built.received;
        done.merged.duplicates = usize::try_from(built.duplicates)?;
        done.erased_from.extend(built.erased_from.iter().cloned());
        build::phase("object sent");
        match self.store.put_file(&path, &built.file, facts.expected()).await {
            Ok(_) => Ok(Attempt::Replaced(built)),
            Err(error) if is_conflict(&error) => Ok(Attempt::Changed),
            Err(error) => Err(error).with_context(|| format!("replacing {path}")),
        }
    }

    async fn goals(&self) -> anyhow::Result<Goals> {
        let goals = self.goals.get(self.clock.now_ms(), Goals::in_force(&self.store)).await;
        goals.context("reading the goals")
    }

    /// The sites' own rules of bots; none where no marks are worked out anew.
    async fn bot_rules(&self, anew: Anew) -> anyhow::Result<BotRules> {
        if !anew.marks_bots() {
            return Ok(BotRules::default());
        }
        let rules = BotRules::in_force(&self.store);
        let rules = self.bot_rules.get(self.clock.now_ms(), rules).await;
        rules.context("reading the sites' rules of bots")
    }

    /// Whether rows of a table object can meet goals that could not be read when they were merged.
    pub(super) async fn can_meet_goals(&self, facts: &Facts) -> anyhow::Result<bool> {
        Ok(facts.has_unmet() && facts.can_meet(&self.goals().await?))
    }

    /// What the new object holds. An entry goes only after its hot object has been deleted.
    fn new_holds(&self, old: &Holds, hot: &[ObjectMeta], waiting: &[Path]) -> Holds {
        let now_ms = self.clock.now_ms();
        let listed: HashSet<u128> =
            hot.iter().map(|object| layout::name_hash(&object.location)).collect();
        let kept = old
            .0
            .iter()
            .filter(|&(hash, &at)| listed.contains(hash) || now_ms - at < HOT_KEPT_MS)
            .map(|(&hash, &at)| (hash, at));
        let added = waiting.iter().map(|path| (layout::name_hash(path), now_ms));
        Holds(kept.chain(added).collect())
    }

    /// Deletes the hot objects that every part of their date has held for a day.
    async fn delete_held(&self, dt: Date) -> anyhow::Result<()> {
        let hot = self.hot_objects(dt).await?;
        let table = self.table(dt).await?;
        let now_ms = self.clock.now_ms();
        let is_old =
            |location: &Path| table.iter().all(|part| part.held_long_enough(location, now_ms));
        let old: Vec<Path> = hot.into_iter().map(|object| object.location).filter(is_old).collect();
        if !old.is_empty() {
            self.fold_accounts(dt).await?;
        }
        for location in old {
            self.delete_hot(&location).await?;
        }
        Ok(())
    }
}
