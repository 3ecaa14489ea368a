//! Times of a request: `cdt` and `cdo`, and the visitor's own time of day.

use super::super::parameters::{Parameters, integer, text};
/// When it happened, Unix milliseconds: `cdt` (Unix seconds, or a date and time in UTC) less `cdo`.
///
/// What is no time counts as none, and a time that is out of range is the clock's step to judge.
pub(super) fn of(p: &Parameters<'_>) -> Option<i64> {
    let seconds = seconds(text(p.cdt.as_deref())?.trim())?;
    let offset = integer(p.cdo.as_deref()).unwrap_or_default();
    Some(seconds.saturating_sub(offset).saturating_mul(1_000))
}

fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    // Matomo's own form has a space, browsers' a T and a Z; a date alone is its midnight.
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let civil: jiff::civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Some(civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// `h`, `m`, `s` as seconds since midnight; parts out of range are 0 (matomo.md 1.2).
pub(super) fn of_day(p: &Parameters<'_>) -> Option<i32> {
    let part = |value: Option<&str>, below: i64| {
        let part = integer(value).filter(|part| (0..below).contains(part)).unwrap_or_default();
        i32::try_from(part).unwrap_or_default()
    };
    p.h.as_ref()?;
    let (hours, minutes) = (part(p.h.as_deref(), 24), part(p.m.as_deref(), 60));
    Some(hours * 3_600 + minutes * 60 + part(p.s.as_deref(), 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_cdt_and_its_offset() {
        for (query, expected) in [
            ("cdt=1431857103", Some(1_431_857_103_000)),
            ("cdt=2015-05-17+10:05:03", Some(1_431_857_103_000)),
            ("cdt=2015-05-17T10:05:03Z", Some(1_431_857_103_000)),
            ("cdt=2015-05-17", Some(1_431_820_800_000)),
            ("cdt=1431857103&cdo=3", Some(1_431_857_100_000)),
            ("cdt=yesterday", None),
            ("cdt=", None),
            ("", None),
            ("cdt=9223372036854775807&cdo=-1", Some(i64::MAX)),
        ] {
            let parameters = Parameters::of_request(query, "");
            assert_eq!(of(&parameters), expected, "{query}");
        }
    }

    #[test]
    fn parts_of_the_day_out_of_range_are_zero() {
        let of = |query| of_day(&Parameters::of_request(query, ""));
        assert_eq!(of("h=16&m=21&s=42"), Some(16 * 3_600 + 21 * 60 + 42));
        assert_eq!(of("h=24&m=60&s=-1"), Some(0));
        assert_eq!(of("m=1"), None);
    }
}
