//! Step visitor: fingerprint and client id. The address goes no further than this.

use lake::hit::Id64;
use lake::limits::{MAX_ID_BYTES, MAX_USER_AGENT_BYTES};
use sha2::{Digest as _, Sha256};

use super::cut;
use crate::draft::{Draft, Request};

/// Bytes of `Accept-Language` in the fingerprint (matomo.md 3.2).
const LANGUAGE_BYTES: usize = 20;

pub(super) fn identify(draft: &mut Draft, request: &Request, salt: &[u8; 32]) {
    let authenticated = request.may_write(draft.hit.site);
    let ip = draft.ip.filter(|_| authenticated).or(request.ip);
    let user_agent =
        draft.user_agent.take().or_else(|| request.user_agent.clone()).unwrap_or_default();
    let language =
        draft.hit.language.as_deref().or(request.language.as_deref()).unwrap_or_default();
    let mut keyed = Sha256::new();
    keyed.update(salt);
    keyed.update(draft.hit.site.to_be_bytes());
    keyed.update(ip.map_or_else(String::new, |ip| ip.to_string()));
    for part in
        [user_agent.as_str(), &cut(language, LANGUAGE_BYTES).unwrap_or_default(), &draft.features]
    {
        keyed.update([0]);
        keyed.update(part);
    }
    draft.hit.fingerprint = first_bytes(&keyed.finalize());
    draft.hit.client_id = draft.visitor.take().and_then(|visitor| client_id(&visitor));
    if let Some(user) = draft.hit.user_id.take().and_then(|user| cut(&user, MAX_ID_BYTES)) {
        draft.hit.client_id = Some(first_bytes(&sha1::Sha1::digest(user.as_bytes())));
        draft.hit.user_id = Some(user);
    }
    draft.hit.language = cut(language.split([',', ';']).next().unwrap_or_default(), LANGUAGE_BYTES);
    draft.hit.user_agent = cut(&user_agent, MAX_USER_AGENT_BYTES);
}

/// 16 hex digits as they are; any other text by its digest.
fn client_id(visitor: &str) -> Option<Id64> {
    let visitor = visitor.trim();
    if visitor.is_empty() {
        return None;
    }
    Some(Id64::parse(visitor).unwrap_or_else(|| first_bytes(&Sha256::digest(visitor.as_bytes()))))
}

fn first_bytes(digest: &[u8]) -> Id64 {
    Id64(digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first)))
}
