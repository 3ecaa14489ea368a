//! The objects of one date, opened: those of the table, and the hot ones that these do not hold.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::OnceCell;

use super::Scanner;
use super::error::ScanError;
use super::list::Objects;
use super::open::{self, Opened};
use crate::plan::Plan;

/// Objects of one date read at once.
pub(super) const CONCURRENT_READS: usize = 16;

/// A date's objects.
#[derive(Clone)]
pub(super) struct Parts {
    /// Table objects.
    pub(super) table: Vec<Arc<Opened>>,
    /// The hot objects that these do not hold.
    pub(super) hot: Arc<Hot>,
}

/// Hot objects, opened when somebody wants them, once for all sites.
pub(super) struct Hot {
    /// Those that were opened beside the table.
    early: Vec<Arc<Opened>>,
    late: Vec<Path>,
    all: OnceCell<Vec<Arc<Opened>>>,
}

impl Parts {
    /// Opens the table objects of a date, and beside them the hot objects that are newer than these:
    /// they are not held. Of others the footers say so.
    pub(super) async fn open(
        scanner: &Scanner,
        plan: &Plan,
        objects: &Objects,
    ) -> Result<Self, ScanError> {
        // Where the footers are known it takes no wait to find out what is held.
        let knows = |part: &ObjectMeta| {
            let e_tag = part.e_tag.as_deref();
            e_tag.is_some_and(|e_tag| scanner.footers.get(&part.location, e_tag).is_some())
        };
        let is_known = objects.hot.is_empty() || objects.parts.iter().all(knows);
        let written = objects.parts.iter().map(|part| part.last_modified).max();
        let is_newer = |hot: &&ObjectMeta| !is_known && Some(hot.last_modified) > written;
        let newer = objects.hot.iter().filter(is_newer).map(|hot| hot.location.clone()).collect();
        let opened = futures_util::future::try_join(
            open_table(scanner, plan, objects),
            open_hot(scanner, plan, newer),
        );
        let ((table, mut late), mut early) = opened.await?;
        early.retain(|opened| late.contains(&opened.path));
        late.retain(|path| early.iter().all(|opened| opened.path != *path));
        Ok(Self { table, hot: Arc::new(Hot { early, late, all: OnceCell::new() }) })
    }
}

impl Hot {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.early.is_empty() && self.late.is_empty()
    }

    /// All of them.
    pub(super) async fn opened(
        &self,
        scanner: &Scanner,
        plan: &Plan,
    ) -> Result<&[Arc<Opened>], ScanError> {
        let open = async || {
            let late = open_hot(scanner, plan, self.late.clone()).await?;
            Ok(self.early.iter().cloned().chain(late).collect::<Vec<_>>())
        };
        self.all.get_or_try_init(open).await.map(Vec::as_slice)
    }
}

/// Opens the table objects of a date; names the hot objects that they do not hold.
pub(super) async fn open_table(
    scanner: &Scanner,
    plan: &Plan,
    objects: &Objects,
) -> Result<(Vec<Arc<Opened>>, Vec<Path>), ScanError> {
    let mut opens = Vec::new();
    for part in &objects.parts {
        opens.push(open::table(&scanner.store, &scanner.footers, part, &plan.work));
    }
    let table: Vec<Arc<Opened>> =
        futures_util::future::try_join_all(opens).await?.into_iter().map(Arc::new).collect();
    // Of several parts each holds its own sites of a hot object; what one lacks may be the site's.
    let held = |path| !table.is_empty() && table.iter().all(|it| it.footer.holds.contains(path));
    let hot = objects.hot.iter().map(|hot| &hot.location);
    let hot = hot.filter(|path| !held(path)).cloned().collect();
    Ok((table, hot))
}

async fn open_hot(
    scanner: &Scanner,
    plan: &Plan,
    hot: Vec<Path>,
) -> Result<Vec<Arc<Opened>>, ScanError> {
    let mut opens = Vec::new();
    for path in hot {
        opens.push(open::hot(&scanner.store, path, &plan.work));
    }
    let opens = futures_util::stream::iter(opens).buffered(CONCURRENT_READS);
    opens.map_ok(Arc::new).try_collect().await
}
