//! The steps that a hit passes, in order; each keeps it or drops it with a reason.

mod bots;
mod campaign;
mod clock;
mod exclusions;
mod kind;
mod place;
mod query;
mod title;
mod url;
mod visitor;

use lake::clock::Random;
use lake::hit::RECORD_VERSION;
use lake::salt::Salts;
use lake::site::{Site, SiteCache};

use crate::draft::{Draft, Drop, Request};
use crate::places::Places;

/// What the steps need.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// The sites.
    pub sites: &'a SiteCache,
    /// Salts of fingerprints.
    pub salts: &'a Salts,
    /// Ids for hits that bring nothing to make one of.
    pub random: &'a dyn Random,
    /// Where addresses are.
    pub places: &'a Places,
}

/// Settings or salts could not be read; the hit was neither kept nor dropped.
#[derive(Debug, thiserror::Error)]
#[error("settings are not to be had: {0}")]
pub struct Unavailable(String);

impl Steps<'_> {
    /// Takes a draft through all steps; where they keep it, its hit is complete.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store fails; the client is to send the hit again.
    pub async fn run(
        &self,
        draft: &mut Draft,
        request: &Request,
    ) -> Result<Result<(), Drop>, Unavailable> {
        let unavailable = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let site = match i32::try_from(draft.site) {
            Ok(id) if id > 0 => self.sites.get(id).await.map_err(|error| unavailable(&error))?,
            _ => None,
        };
        let Some(site) = site else { return Ok(Err(Drop::UnknownSite)) };
        if let Err(reason) = before_salt(draft, request, &site) {
            return Ok(Err(reason));
        }
        let salt = self
            .salts
            .get(site.settings.identity, draft.hit.dt)
            .await
            .map_err(|error| unavailable(&error))?;
        visitor::identify(draft, request, &salt);
        bots::mark(draft, request, &site);
        clock::identify(draft, self.random);
        place::locate(draft, request, self.places, site.settings.country_fallback);
        Ok(Ok(()))
    }
}

fn before_salt(draft: &mut Draft, request: &Request, site: &Site) -> Result<(), Drop> {
    draft.hit.v = RECORD_VERSION;
    draft.hit.site = site.settings.id;
    draft.hit.received = request.received_ms;
    draft.hit.referrer_cuts = site.settings.new_visit_on_referrer;
    if !request.may_write(site.settings.id) {
        without_privileges(draft);
    }
    exclusions::origin(request, site)?;
    kind::settle(draft, site)?;
    exclusions::excluded(draft, request, site)?;
    exclusions::do_not_track(request, site)?;
    clock::date(draft, request, site)?;
    url::clean(draft, site)?;
    title::tidy(draft, site);
    Ok(())
}

/// What only a write token allows is not taken without one.
fn without_privileges(draft: &mut Draft) {
    draft.ip = None;
    draft.hit.country = None;
    draft.hit.region = None;
    draft.hit.city = None;
    draft.hit.not_a_bot = false;
    if !draft.matomo {
        draft.user_agent = None;
    }
}
