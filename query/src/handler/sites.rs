//! `/v1/sites`: the sites that a token opens, with the names that questions about them may use.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use lake::site::{self, Site, SiteSettings};
use serde_json::{Value as Json, json};

use super::{Answered, Failed, JSON, Query, unread};

/// Settings that are read at once.
const READS: usize = 16;

impl Query {
    /// The sites that `covers` allows, in the order of their ids; none is an answer, too.
    pub(super) async fn list_sites(
        &self,
        covers: &(dyn Fn(i32) -> bool + Sync),
    ) -> Result<Answered, Failed> {
        let mut ids = site::list_sites(&self.store).await.map_err(|error| unread(&error))?;
        ids.retain(|id| covers(*id));
        let read = |id| async move { self.sites.get(id).await.map_err(|error| unread(&error)) };
        let sites = futures_util::stream::iter(ids).map(read).buffered(READS);
        // One that was removed meanwhile is no longer there.
        let sites: Vec<Option<Arc<Site>>> = sites.try_collect().await?;
        let sites: Vec<Json> = sites.iter().flatten().map(|site| shown(&site.settings)).collect();
        Ok(Answered::new(200, JSON, json!({"sites": sites}).to_string()))
    }
}

/// What whoever asks questions needs to know of a site; how it excludes hits is none of it.
fn shown(settings: &SiteSettings) -> Json {
    let sections: Vec<&str> = settings.sections.iter().map(|it| it.name.as_str()).collect();
    let segments: Vec<&str> = settings.segments.iter().map(|it| it.name.as_str()).collect();
    let named = |(id, name): (i64, &str)| json!({"id": id, "name": name});
    let goals = settings.goals.iter().map(|it| named((it.id.into(), &it.name)));
    let dimensions = settings.dimensions.iter().map(|it| named((it.id.into(), &it.name)));
    json!({
        "id": settings.id, "name": settings.name,
        "timezone": settings.timezone, "currency": settings.currency, "hosts": settings.hosts,
        "sections": sections, "segments": segments,
        "goals": goals.collect::<Vec<_>>(), "dimensions": dimensions.collect::<Vec<_>>(),
    })
}
