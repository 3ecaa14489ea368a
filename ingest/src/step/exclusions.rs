//! Steps origin, exclusions, do-not-track.

use lake::site::{Signal, Site};

use crate::draft::{Draft, Drop, Request};

pub(super) fn origin(request: &Request, site: &Site) -> Result<(), Drop> {
    match request.origin.as_deref() {
        Some(origin) if !site.allows_origin(origin) => Err(Drop::Origin),
        _ => Ok(()),
    }
}

pub(super) fn excluded(draft: &Draft, request: &Request, site: &Site) -> Result<(), Drop> {
    if draft.ip.or(request.ip).is_some_and(|ip| site.excludes(ip)) {
        return Err(Drop::Excluded);
    }
    let user_agent = draft.user_agent.as_deref().or(request.user_agent.as_deref());
    if site.excludes_user_agent(user_agent.unwrap_or_default()) {
        return Err(Drop::Excluded);
    }
    if request.prefetch {
        return Err(Drop::Prefetch);
    }
    if !site.settings.excluded_referrers.is_empty() {
        let host = draft.referrer.as_deref().and_then(super::url::host_of);
        if host.is_some_and(|host| site.is_spam_host(&host)) {
            return Err(Drop::SpamReferrer);
        }
    }
    Ok(())
}

pub(super) fn do_not_track(request: &Request, site: &Site) -> Result<(), Drop> {
    let honours = |signal| site.settings.honour.contains(&signal);
    if (request.gpc && honours(Signal::Gpc)) || (request.dnt && honours(Signal::Dnt)) {
        return Err(Drop::DoNotTrack);
    }
    Ok(())
}
