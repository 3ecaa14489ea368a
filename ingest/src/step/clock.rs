//! Step id and clock (DESIGN section 3: "Once", "A hit's time comes from the hit").

use lake::clock::Random;
use lake::hit::HitId;
use lake::limits::{
    MAX_CDT_AGE_MS, MAX_CDT_AUTHENTICATED_AGE_MS, MAX_CLOCK_SKEW_MS, MAX_HIT_AGE_MS,
    MAX_HIT_AHEAD_MS,
};
use lake::site::Site;

use crate::draft::{Draft, Drop, Request};

/// Settles when the hit happened, and so its date.
pub(super) fn date(draft: &mut Draft, request: &Request, site: &Site) -> Result<(), Drop> {
    let received = request.received_ms;
    let authenticated = request.may_write(site.settings.id);
    let own = draft.ts.or_else(|| draft.id.and_then(HitId::time_ms));
    let ts = match own {
        None => received,
        Some(own) if draft.matomo => matomo(own, received, authenticated)?,
        Some(own) => ours(without_skew(own, draft.sent, received), received, authenticated)?,
    };
    draft.hit.ts = ts;
    draft.hit.dt = site.local_date(ts);
    Ok(())
}

/// Client clocks lie: where the body says when it was sent, a difference above 30 s is taken off.
const fn without_skew(own: i64, sent: Option<i64>, received: i64) -> i64 {
    match sent {
        Some(sent) if received.saturating_sub(sent).saturating_abs() > MAX_CLOCK_SKEW_MS => {
            own.saturating_add(received.saturating_sub(sent))
        }
        _ => own,
    }
}

fn ours(ts: i64, received: i64, authenticated: bool) -> Result<i64, Drop> {
    if ts > received + MAX_HIT_AHEAD_MS {
        return Ok(received);
    }
    if ts < received - MAX_HIT_AGE_MS && !authenticated || ts < 0 {
        return Err(Drop::Clock);
    }
    Ok(ts)
}

/// `cdt`: ahead of now or older than 20 years is now; older than a day needs the token.
fn matomo(ts: i64, received: i64, authenticated: bool) -> Result<i64, Drop> {
    if ts > received || ts <= received - MAX_CDT_AUTHENTICATED_AGE_MS {
        return Ok(received);
    }
    if ts < received - MAX_CDT_AGE_MS && !authenticated {
        return Err(Drop::Clock);
    }
    Ok(ts)
}

/// The client's id; else a digest that repeats when the request does; else a random one.
pub(super) fn identify(draft: &mut Draft, random: &dyn Random) {
    let of_digest = draft.digest.map(|digest| {
        // Site and fingerprint keep two clients with the same cache buster apart.
        let site_digest = digest ^ u128::from(draft.hit.site.unsigned_abs());
        let seed = draft.hit.fingerprint.0;
        uuid(xxhash_rust::xxh3::xxh3_128_with_seed(&site_digest.to_be_bytes(), seed))
    });
    // Without an id of its own a hit has no order among those of its moment but that of arrival.
    draft.hit.position = draft.id.is_none().then_some(draft.position);
    draft.hit.id = draft.id.or(of_digest).unwrap_or_else(|| uuid(random.next_u128()));
}

/// Shaped as a UUID of version 8: one of our own making.
const fn uuid(bits: u128) -> HitId {
    HitId(bits & !(0xF << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_000_000_000;

    #[test]
    fn the_window_of_times_holds_at_its_borders() {
        for (age, kept) in
            [(MAX_HIT_AGE_MS - 1, true), (MAX_HIT_AGE_MS, true), (MAX_HIT_AGE_MS + 1, false)]
        {
            assert_eq!(ours(NOW - age, NOW, false).is_ok(), kept);
            assert!(ours(NOW - age, NOW, true).is_ok());
        }
        assert_eq!(ours(NOW + MAX_HIT_AHEAD_MS, NOW, false), Ok(NOW + MAX_HIT_AHEAD_MS));
        assert_eq!(ours(NOW + MAX_HIT_AHEAD_MS + 1, NOW, false), Ok(NOW));
    }

    #[test]
    fn skew_above_thirty_seconds_is_taken_off() {
        assert_eq!(without_skew(5, Some(NOW - MAX_CLOCK_SKEW_MS), NOW), 5);
        assert_eq!(
            without_skew(5, Some(NOW - MAX_CLOCK_SKEW_MS - 1), NOW),
            5 + MAX_CLOCK_SKEW_MS + 1
        );
    }

    #[test]
    fn matomos_times_follow_its_rules() {
        assert_eq!(matomo(NOW + 1, NOW, true), Ok(NOW));
        assert_eq!(matomo(NOW - MAX_CDT_AGE_MS, NOW, false), Ok(NOW - MAX_CDT_AGE_MS));
        assert_eq!(matomo(NOW - MAX_CDT_AGE_MS - 1, NOW, false), Err(Drop::Clock));
        assert_eq!(matomo(NOW - MAX_CDT_AGE_MS - 1, NOW, true), Ok(NOW - MAX_CDT_AGE_MS - 1));
    }
}
