//! Step kind: what the site's settings say of goals, searches and dimensions.

use lake::hit::Kind;
use lake::site::Site;

use crate::draft::{Draft, Drop};

/// Refuses a goal that the site does not have; makes a search a page view where Matomo would;
/// leaves out dimensions that are not kept.
pub(super) fn settle(draft: &mut Draft, site: &Site) -> Result<(), Drop> {
    let hit = &mut draft.hit;
    if hit.kind == Kind::Goal && !hit.goal_id.is_some_and(|goal| site.knows_goal(goal)) {
        return Err(Drop::Invalid);
    }
    if hit.kind == Kind::Search && draft.matomo && !site.settings.site_search.on {
        hit.kind = Kind::Pageview;
        (hit.search_term, hit.search_category, hit.search_results) = (None, None, None);
    }
    hit.dimensions.retain(|number, _| site.keeps_dimension(*number));
    Ok(())
}
