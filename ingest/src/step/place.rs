//! Step place: what trusted headers or an authenticated client say. Nothing is guessed.

use crate::draft::{Draft, Request};

pub(super) fn locate(draft: &mut Draft, request: &Request) {
    let [country, region, city] = &request.place;
    let hit = &mut draft.hit;
    // Places belong together: a client's country and a header's city would make a third place.
    if hit.country.is_none() && hit.region.is_none() && hit.city.is_none() {
        (hit.country, hit.region, hit.city) = (country.clone(), region.clone(), city.clone());
    }
    hit.country = hit.country.take().filter(|country| {
        country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_alphabetic())
    });
    if let Some(country) = &mut hit.country {
        country.make_ascii_uppercase();
    }
}
