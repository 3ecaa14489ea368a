//! Step place: what trusted headers or an authenticated client say. Nothing is guessed.

use crate::draft::{Draft, Request};

pub(super) fn locate(draft: &mut Draft, request: &Request) {
    let [country, region, city] = &request.place;
    let own = request.may_write(draft.hit.site);
    let given = |own_value: Option<String>, trusted: &Option<String>| {
        own_value.filter(|_| own).or_else(|| trusted.clone())
    };
    draft.hit.country =
        given(draft.hit.country.take(), country).map(|country| country.to_ascii_uppercase());
    draft.hit.region = given(draft.hit.region.take(), region);
    draft.hit.city = given(draft.hit.city.take(), city);
}
