//! What a question reads whoever asks it, begun while it is found out who does.
//!
//! On S3 each wait for the store takes some 20 ms, so that three of them are one: for the tokens,
//! for the settings of the sites, and for the lists of objects. Whether a request is answered is
//! found out first and said at once; what was read for one that is not is forgotten.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either};
use lake::site::list_sites;

use super::wanted::Named;
use super::{Failed, Query, unread};
use crate::question::spans;
use crate::scan::{Listing, ScanError};
use crate::work::Work;

/// What was read.
pub(super) struct Ahead {
    /// The ids of all sites, where all are asked about.
    pub(super) ids: Result<Vec<i32>, Failed>,
    /// What there is of the dates; none where these will be refused.
    pub(super) listing: Option<Result<Listing, ScanError>>,
    /// What the question takes, from here on.
    pub(super) work: Arc<Work>,
}

impl Query {
    /// Reads what a question needs; of named sites the settings come to be known to the cache.
    pub(super) async fn ahead(&self, named: Option<&Named>) -> Ahead {
        let work = Arc::new(Work::begin(Arc::clone(&self.clock)));
        let Some(Named { sites, parameters, .. }) = named else {
            return Ahead { ids: Ok(Vec::new()), listing: None, work };
        };
        let ids = async {
            let Some(sites) = sites else {
                return list_sites(&self.store).await.map_err(|error| unread(&error));
            };
            // What went wrong shows when the site is asked for.
            future::join_all(sites.iter().map(|id| self.sites.get(*id))).await;
            Ok(Vec::new())
        };
        let listing = async {
            let spans = spans(parameters, self.clock.now_ms())?;
            let sites = sites.as_ref().map(|sites| sites.iter().copied().collect());
            Some(self.scanner.listing(spans, sites).await)
        };
        let (ids, listing) = future::join(ids, listing).await;
        Ahead { ids, listing, work }
    }
}

/// Who asks, and what is read meanwhile. That is not begun where it is known at once that nothing
/// will be answered, and given up where it turns out.
pub(super) async fn beside<Who, Read>(
    who: impl Future<Output = Result<Who, Failed>>,
    ahead: impl Future<Output = Read>,
) -> Result<(Who, Read), Failed> {
    match future::select(pin!(who), pin!(ahead)).await {
        Either::Left((who, ahead)) => Ok((who?, ahead.await)),
        Either::Right((read, who)) => Ok((who.await?, read)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::handler::NOT_ALLOWED;

    #[tokio::test]
    async fn nothing_is_read_for_whom_it_is_known_to_be_refused() {
        let began = AtomicBool::new(false);
        let read = || async { began.store(true, Ordering::SeqCst) };
        let refused = beside(async { Err::<(), _>(NOT_ALLOWED) }, read()).await;
        assert_eq!(refused.unwrap_err().status, 403);
        assert!(!began.load(Ordering::SeqCst));
        assert!(beside(async { Ok(()) }, read()).await.is_ok());
        assert!(began.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_refusal_waits_for_nothing_that_is_read_meanwhile() {
        let who = async {
            tokio::task::yield_now().await;
            Err::<(), _>(NOT_ALLOWED)
        };
        let refused = beside(who, future::pending::<()>()).await;
        assert_eq!(refused.unwrap_err().status, 403);
    }
}
