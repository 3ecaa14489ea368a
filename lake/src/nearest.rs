//! The right name that somebody meant who wrote a wrong one.
//!
//! Owns how near is near, and what other tools call things; knows no list of names.

use crate::limits::MAX_GUESSED_NAME_BYTES;

/// What the APIs of other tools (Matomo, Google Analytics, Plausible) say, and what it is here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("activeusers", "visitors"),
    ("avg_time_on_site", "avg_visit_duration"),
    ("bouncerate", "bounce_rate"),
    ("nb_actions", "actions"),
    ("nb_conversions", "conversions"),
    ("nb_hits", "pageviews"),
    ("nb_pageviews", "pageviews"),
    ("nb_uniq_pageviews", "unique_pageviews"),
    ("nb_uniq_visitors", "visitors"),
    ("nb_visits", "visits"),
    ("page_url", "page"),
    ("pagepath", "page"),
    ("path", "page"),
    ("screenpageviews", "pageviews"),
    ("session_duration", "visit_duration"),
    ("sessions", "visits"),
    ("totalusers", "visitors"),
    ("unique_visitors", "visitors"),
    ("url", "page"),
    ("views", "pageviews"),
];

/// The one of the `known` names that `written` was probably meant to be: what another tool's name
/// is here, else one that differs in a letter of three (of two letters in all), else one of which it is a part or
/// that is a part of it. None where nothing is near, and for what is too long to be meant as one.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_GUESSED_NAME_BYTES {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let low = written.to_lowercase();
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == low).map(|(_, ours)| *ours);
    if let Some(name) = known.iter().find(|name| Some(**name) == elsewhere) {
        return Some(name);
    }
    let letters = low.chars().count();
    let by_letters = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&low, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance < letters && *distance <= letters.div_ceil(3).max(2))
        .min_by_key(|(distance, _)| *distance);
    let is_part = |name: &&&str| {
        let (short, long) = if name.len() < low.len() { (**name, &*low) } else { (&*low, **name) };
        short.len() >= 3 && long.contains(short)
    };
    by_letters.map(|(_, name)| name).or_else(|| known.iter().find(is_part).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_guessed_where_one_is_near() {
        let known = ["pageviews", "visits", "visitors", "visit_duration", "page", "os", "browser"];
        let guess = |written| nearest(written, known);
        for (written, meant) in [
            ("pageview", "pageviews"),
            ("vistis", "visits"),
            ("PageViews", "pageviews"),
            ("sessions", "visits"),
            ("activeUsers", "visitors"),
            ("url", "page"),
            ("duration", "visit_duration"),
            ("browser_name", "browser"),
        ] {
            assert_eq!(guess(written), Some(meant), "{written}");
        }
        for written in ["", "revenue", "device", "xyz", &"x".repeat(MAX_GUESSED_NAME_BYTES + 1)] {
            assert_eq!(guess(written), None, "{written}");
        }
        assert_eq!(nearest("sessions", ["page"]), None, "what it is here is not asked for");
        let long = "x".repeat(MAX_GUESSED_NAME_BYTES);
        assert_eq!(nearest(&long, [long.as_str()]), Some(long.as_str()));
    }
}
