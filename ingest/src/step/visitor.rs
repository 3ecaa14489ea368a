//! Step visitor: fingerprint and client id. The address goes no further than this.

use std::net::IpAddr;

use lake::hit::Id64;
use lake::limits::MAX_USER_AGENT_BYTES;
use sha2::{Digest as _, Sha256};

use crate::draft::{Draft, Request};
use crate::text::{cut, cut_owned, tidy};

/// Bytes of `Accept-Language` in the fingerprint (matomo.md 3.2).
const LANGUAGE_BYTES: usize = 20;

pub(super) fn identify(draft: &mut Draft, request: &Request, salt: &[u8; 32]) {
    draft.hit.fingerprint = fingerprint(draft, request, salt);
    draft.hit.client_id = draft.visitor.take().and_then(|visitor| Id64::of_visitor(&visitor));
    if let Some(user) = &draft.hit.user_id {
        draft.hit.client_id = Some(Id64::of_digest(&sha1::Sha1::digest(user.as_bytes())));
    }
    draft.hit.language = language(draft, request);
    match draft.user_agent.take() {
        Some(own) => draft.hit.user_agent = cut_owned(own, MAX_USER_AGENT_BYTES),
        None => {
            let given = request.user_agent.as_deref().unwrap_or_default();
            draft.hit.user_agent = cut(given, MAX_USER_AGENT_BYTES);
            // The request's hints belong to its own user agent.
            if draft.hit.client_hints.is_none() {
                draft.hit.client_hints.clone_from(&request.client_hints);
            }
        }
    }
}

/// What matomo.md 3.2 lists, keyed with the salt of the hit's date; the user agent stands for
/// system and browser, which are worked out later.
fn fingerprint(draft: &Draft, request: &Request, salt: &[u8; 32]) -> Id64 {
    let user_agent = draft.user_agent.as_deref().or(request.user_agent.as_deref());
    let language = draft.hit.language.as_deref().or(request.language.as_deref());
    let language = tidy(language.unwrap_or_default());
    let language = language.get(..language.floor_char_boundary(LANGUAGE_BYTES)).unwrap_or_default();
    let mut keyed = Sha256::new();
    keyed.update(salt);
    keyed.update(draft.hit.site.to_be_bytes());
    match draft.ip.or(request.ip).map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => keyed.update(ip.octets()),
        Some(IpAddr::V6(ip)) => keyed.update(ip.octets()),
        None => {}
    }
    for part in [user_agent.unwrap_or_default(), language] {
        keyed.update([0]);
        keyed.update(part);
    }
    keyed.update([0, draft.features]);
    Id64::of_digest(&keyed.finalize())
}

/// The language as the client gives it, else the first of the header.
fn language(draft: &mut Draft, request: &Request) -> Option<String> {
    let own = draft.hit.language.take();
    let given = own.as_deref().or(request.language.as_deref()).unwrap_or_default();
    cut(given.split([',', ';']).next().unwrap_or_default(), LANGUAGE_BYTES)
}
