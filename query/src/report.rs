//! Named reports: questions with their answers to "which metrics, by what" filled in.

use crate::question::Parameters;

/// Last part of the path, and the parameters that it fills in.
pub(crate) const REPORTS: [(&str, &[(&str, &str)]); 15] = [
    ("hits", &[("metrics", "hits,pageviews,downloads,outlinks,events,searches"), DAILY]),
    ("downloads", &[("metrics", "downloads,unique_downloads"), ("by", "download")]),
    (
        "visits",
        &[("metrics", "visits,bounce_rate,avg_visit_duration,actions_per_visit,visitors"), DAILY],
    ),
    ("visitors", &[("metrics", "visitors,new_visitors,returning_visitors,users,visits"), DAILY]),
    (
        "pages",
        &[
            ("metrics", "pageviews,unique_pageviews,avg_time_on_page,entries,exits,exit_rate"),
            ("by", "page"),
        ],
    ),
    ("sections", &[("metrics", "pageviews,visits,visitors"), ("by", "section")]),
    ("entry-pages", &[("metrics", "visits,bounces,bounce_rate"), ("by", "entry_page")]),
    ("exit-pages", &[("metrics", "visits"), ("by", "exit_page")]),
    ("outlinks", &[("metrics", "outlinks,unique_outlinks"), ("by", "outlink")]),
    ("referrers", &[("metrics", OF_VISITS), ("by", "channel,referrer")]),
    ("campaigns", &[("metrics", OF_VISITS), ("by", "campaign")]),
    ("devices", &[("metrics", OF_VISITS), ("by", "device")]),
    ("countries", &[("metrics", OF_VISITS), ("by", "country")]),
    (
        "events",
        &[("metrics", "events,unique_events,event_value"), ("by", "event_category,event_action")],
    ),
    ("searches", &[("metrics", "searches,unique_searches"), ("by", "search_term")]),
];
const DAILY: (&str, &str) = ("interval", "day");
const OF_VISITS: &str = "visits,visitors,bounce_rate,avg_visit_duration";

/// Fills in what a report says and the question does not; false when there is no such report.
#[must_use]
pub fn fill_in(name: &str, parameters: &mut Parameters) -> bool {
    if name == "metrics" {
        return true;
    }
    let Some((_, defaults)) = REPORTS.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    for (name, value) in *defaults {
        parameters.set_default(name, value);
    }
    true
}

/// Whether there is such a report.
#[must_use]
pub fn is_known(name: &str) -> bool {
    fill_in(name, &mut Parameters::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Question, Surroundings};

    #[test]
    fn every_report_is_a_question() {
        let today = |_: Option<&jiff::tz::TimeZone>| jiff::civil::date(2026, 11, 24);
        for (name, _) in REPORTS {
            let mut parameters = Parameters::default();
            assert!(fill_in(name, &mut parameters));
            let surroundings =
                Surroundings { sites: &[1], today: &today, sections: &[], segments: &[] };
            Question::from_parameters(&parameters, &surroundings).expect(name);
        }
        assert!(!is_known("nothing"));
    }
}
