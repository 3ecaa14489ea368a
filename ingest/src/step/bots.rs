//! Step bots: the site's own rules mark a hit, which is kept.

use lake::site::Site;

use crate::draft::{Draft, Request};

/// Comes after the step visitor, which settles whose user agent counts.
pub(super) fn mark(draft: &mut Draft, request: &Request, site: &Site) {
    let address = draft.ip.or(request.ip);
    draft.hit.site_bot = site.bot_rule(address, draft.hit.user_agent.as_deref());
}
