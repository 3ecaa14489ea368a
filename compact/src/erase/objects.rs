//! Hot and table objects: those that have covered rows are found by a few columns, and the merge
//! rewrites them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::layout;
use lake::orders::COLUMNS;
use object_store::path::Path;

use super::columns::{Step, each};
use super::{Erase, Round};
use crate::merge::facts::is_held;
use crate::merge::{Anew, Share};

/// By number of an order: rows of an object that it covers.
type CoveredRows = BTreeMap<usize, u64>;

impl Erase {
    /// The table is made to hold what remains of a hot object, and then the hot object goes.
    pub(super) async fn clean_hot(&self, round: &mut Round) -> anyhow::Result<()> {
        for dt in self.merge.hot_dates().await? {
            let mut found = Vec::new();
            for object in self.merge.hot_objects(dt).await? {
                let covered = self.look(round, dt, &object.location).await?;
                if !covered.is_empty() {
                    found.push((object.location, covered));
                }
            }
            if found.is_empty() {
                continue;
            }
            let paths = found.iter().map(|(path, _)| path);
            let mut written = self.merge_unless_held(dt, paths).await?;
            self.merge.fold_accounts(dt).await?;
            for (path, covered) in found {
                self.merge.delete_hot(&path).await?;
                round.rewritten(&covered, 0, std::mem::take(&mut written));
                round.note(self.store(), covered.into_keys()).await?;
            }
        }
        Ok(())
    }

    /// How many bytes of table objects that took.
    async fn merge_unless_held(
        &self,
        dt: Date,
        mut paths: impl Iterator<Item = &Path> + Clone,
    ) -> anyhow::Result<u64> {
        let table = self.merge.table(dt).await?;
        if paths.clone().all(|path| is_held(&table, path)) {
            return Ok(0);
        }
        let merged = self.merge.merge_date(dt, Anew::Nothing, Share::default()).await?;
        let table = self.merge.table(dt).await?;
        let hot = self.merge.hot_objects(dt).await?;
        // The merge itself may have deleted it, and the table have forgotten it a day after.
        let waits =
            |path: &&Path| !is_held(&table, path) && hot.iter().any(|it| it.location == **path);
        match paths.find(waits) {
            Some(path) => anyhow::bail!("{path} waits still after a merge of {dt}"),
            None => Ok(merged.map_or(0, |merged| merged.bytes)),
        }
    }

    /// Table objects with covered rows are written anew; one may become empty.
    pub(super) async fn clean_table(&self, round: &mut Round) -> anyhow::Result<()> {
        for dt in self.table_dates().await? {
            let parts = self.merge.table(dt).await?;
            for (part, facts) in (0..).zip(parts) {
                let has = |site| facts.merged.as_ref().is_none_or(|merged| merged.has(site));
                if !round.orders.sites().any(has) {
                    continue;
                }
                let path = layout::table_object(dt, part);
                let covered = self.look(round, dt, &path).await?;
                if covered.is_empty() {
                    continue;
                }
                let written = self.merge.rewrite(dt, part).await?;
                round.rewritten(&covered, facts.rows, written);
                round.note(self.store(), covered.into_keys()).await?;
            }
        }
        Ok(())
    }

    async fn look(&self, round: &Round, dt: Date, path: &Path) -> anyhow::Result<CoveredRows> {
        let sites: BTreeSet<i32> = round.orders.sites().collect();
        let mut covered = CoveredRows::new();
        each(self.store(), path, (&COLUMNS, &sites), |step| match step {
            Step::Begin => {
                covered.clear();
                Ok(())
            }
            Step::Rows(batch) => round.count(dt, batch, &mut covered),
        })
        .await?;
        Ok(covered)
    }

    /// Dates that have table objects.
    pub(super) async fn table_dates(&self) -> anyhow::Result<Vec<Date>> {
        let listed: Vec<_> = self
            .store()
            .list(Some(&Path::from(layout::HITS)))
            .try_collect()
            .await
            .context("listing the table")?;
        let dates = listed.iter().filter_map(|object| layout::date_of(&object.location));
        Ok(dates.collect::<BTreeSet<_>>().into_iter().collect())
    }
}
