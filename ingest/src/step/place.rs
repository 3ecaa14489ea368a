//! Step place: what trusted headers, an authenticated client or the database of places say; else a
//! country by the browser's time zone or language, where the site asks for it. Nothing is guessed
//! silently.

use lake::site::CountryFallback;

use crate::draft::{Draft, Request};
use crate::places::Places;

/// Time zones and the countries that they are in, as `data/zones.py` writes them.
const ZONES: &str = include_str!("../../data/zones.tsv");

pub(super) fn locate(
    draft: &mut Draft,
    request: &Request,
    places: &Places,
    fallback: CountryFallback,
) {
    let given = &draft.hit;
    // Places belong together: a client's country and a header's city would make a third place.
    if given.country.is_none() && given.region.is_none() && given.city.is_none() {
        let [country, region, city] = of_address(draft, request, places);
        let hit = &mut draft.hit;
        (hit.country, hit.region, hit.city) = (country, region, city);
    }
    let hit = &mut draft.hit;
    hit.country = hit.country.take().filter(|country| is_code(country));
    if let Some(country) = &mut hit.country {
        country.make_ascii_uppercase();
    }
    if hit.country.is_none() && hit.region.is_none() && hit.city.is_none() {
        hit.country = match fallback {
            CountryFallback::None => None,
            CountryFallback::Timezone => hit.timezone.as_deref().and_then(of_zone),
            CountryFallback::Language => hit.language.as_deref().and_then(of_language),
        };
    }
}

/// Headers tell of the connection; an address that an authenticated client gives is another.
fn of_address(draft: &Draft, request: &Request, places: &Places) -> [Option<String>; 3] {
    let headers = &request.place;
    if draft.ip.is_none() && headers.iter().any(Option::is_some) {
        return headers.clone();
    }
    draft.ip.or(request.ip).and_then(|ip| places.find(ip)).unwrap_or_default()
}

fn is_code(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_alphabetic())
}

/// The country of a time zone.
fn of_zone(zone: &str) -> Option<String> {
    let lines = ZONES.lines().filter_map(|line| line.split_once('\t'));
    let found = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(zone));
    found.map(|(_, country)| country.to_owned())
}

/// The region of a language tag: `de-AT` and `zh-Hant-TW` have one, `de` has none.
fn of_language(tag: &str) -> Option<String> {
    let mut parts = tag.split(['-', '_']).skip(1);
    let region = parts.find(|part| is_code(part) || part.len() == 1)?;
    is_code(region).then(|| region.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_languages_tell_countries() {
        for (zone, country) in [
            ("Europe/Berlin", Some("DE")),
            ("europe/berlin", Some("DE")),
            ("Asia/Calcutta", Some("IN")),
            ("UTC", None),
            ("Etc/GMT+5", None),
            ("", None),
            ("# tz database", None),
        ] {
            assert_eq!(of_zone(zone).as_deref(), country, "{zone}");
        }
        for (tag, country) in [
            ("de-AT", Some("AT")),
            ("pt_br", Some("BR")),
            ("zh-Hant-TW", Some("TW")),
            ("de", None),
            ("es-419", None),
            ("en-x-us", None),
            ("", None),
        ] {
            assert_eq!(of_language(tag).as_deref(), country, "{tag}");
        }
    }
}
