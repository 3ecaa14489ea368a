//! The steps that a hit passes, in order; each keeps it or drops it with a reason.

mod clock;
mod exclusions;
mod place;
mod title;
mod url;
mod visitor;

use lake::clock::Random;
use lake::hit::Hit;
use lake::salt::Salts;
use lake::site::{Site, SiteCache};

use crate::draft::{Draft, Drop, Request};

/// What the steps need.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// The sites.
    pub sites: &'a SiteCache,
    /// Salts of fingerprints.
    pub salts: &'a Salts,
    /// Ids for hits that bring nothing to make one of.
    pub random: &'a dyn Random,
}

/// Settings or salts could not be read; the hit was neither kept nor dropped.
#[derive(Debug, thiserror::Error)]
#[error("settings are not to be had: {0}")]
pub struct Unavailable(String);

impl Steps<'_> {
    /// Takes a draft through all steps.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the store fails; the client is to send the hit again.
    pub async fn run(
        &self,
        draft: Draft,
        request: &Request,
    ) -> Result<Result<Hit, Drop>, Unavailable> {
        let unavailable = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let site = match i32::try_from(draft.site) {
            Ok(id) if id > 0 => self.sites.get(id).await.map_err(|error| unavailable(&error))?,
            _ => None,
        };
        let Some(site) = site else { return Ok(Err(Drop::UnknownSite)) };
        let mut draft = match self.before_salt(draft, request, &site) {
            Ok(draft) => draft,
            Err(drop) => return Ok(Err(drop)),
        };
        let salt = self
            .salts
            .get(site.settings.identity, draft.hit.dt)
            .await
            .map_err(|error| unavailable(&error))?;
        visitor::identify(&mut draft, request, &salt);
        clock::identify(&mut draft, self.random);
        place::locate(&mut draft, request);
        Ok(Ok(draft.hit))
    }

    fn before_salt(&self, mut draft: Draft, request: &Request, site: &Site) -> Result<Draft, Drop> {
        draft.hit.v = lake::hit::RECORD_VERSION;
        draft.hit.site = site.settings.id;
        draft.hit.received = request.received_ms;
        draft.hit.referrer_cuts = site.settings.new_visit_on_referrer;
        exclusions::origin(request, site)?;
        exclusions::excluded(&draft, request, site)?;
        exclusions::do_not_track(request, site)?;
        clock::date(&mut draft, request, site)?;
        url::clean(&mut draft, site)?;
        title::tidy(&mut draft, site);
        Ok(draft)
    }
}

/// A text cut to at most `bytes`, on the border of a letter; none when nothing is left.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> Option<String> {
    let text = text.trim();
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end))?;
    text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_at_the_limit_and_between_letters() {
        assert_eq!(cut("abc", 4).as_deref(), Some("abc"));
        assert_eq!(cut("abcd", 4).as_deref(), Some("abcd"));
        assert_eq!(cut("abcde", 4).as_deref(), Some("abcd"));
        assert_eq!(cut("aé", 2).as_deref(), Some("a"));
        assert_eq!(cut("  ", 4), None);
    }
}
