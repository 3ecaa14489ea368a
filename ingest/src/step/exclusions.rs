//! Steps origin, exclusions, do-not-track.

use lake::site::{Signal, Site};

use crate::draft::{Draft, Drop, Request};

pub(super) fn origin(request: &Request, site: &Site) -> Result<(), Drop> {
    let allowed = &site.settings.allowed_origins;
    let given = request.origin.as_deref();
    let fits = |origin: &str| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
    match given {
        Some(origin) if !allowed.is_empty() && !fits(origin) => Err(Drop::Origin),
        _ => Ok(()),
    }
}

pub(super) fn excluded(draft: &Draft, request: &Request, site: &Site) -> Result<(), Drop> {
    let authenticated = request.may_write(site.settings.id);
    let ip = draft.ip.filter(|_| authenticated).or(request.ip);
    if ip.is_some_and(|ip| site.excludes(ip)) {
        return Err(Drop::Excluded);
    }
    let user_agent =
        draft.user_agent.as_deref().or(request.user_agent.as_deref()).unwrap_or_default();
    if site
        .settings
        .excluded_user_agents
        .iter()
        .any(|part| !part.is_empty() && user_agent.contains(part))
    {
        return Err(Drop::Excluded);
    }
    if request.prefetch {
        return Err(Drop::Prefetch);
    }
    let referrer = draft.referrer.as_deref().and_then(super::url::host_of).unwrap_or_default();
    let below = |host: &String| {
        referrer
            .strip_suffix(host.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if !referrer.is_empty() && site.settings.excluded_referrers.iter().any(below) {
        return Err(Drop::SpamReferrer);
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
