//! What a changed setting does to history.

use serde_json::Value;

use super::SiteSettings;

/// From when on a changed setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Answers use it: at once, for all history.
    Answers,
    /// Ingest uses it: hits that were taken stay as they are.
    Hits,
    /// A zone parts the dates: from a future midnight.
    Midnight,
    /// The merge uses it when it first sees a hit: a command does it for history.
    Goals,
    /// Ingest uses it: a command does it for history.
    Bots,
    /// Erasure by age.
    Retention,
}

/// Every setting but the id, which does not change.
const SETTINGS: [(&str, Holds); 25] = [
    ("name", Holds::Answers),
    ("timezone", Holds::Midnight),
    ("currency", Holds::Answers),
    ("hosts", Holds::Hits),
    ("allowed_origins", Holds::Hits),
    ("exclude_unknown_hosts", Holds::Hits),
    ("excluded_parameters", Holds::Hits),
    ("excluded_ips", Holds::Hits),
    ("excluded_user_agents", Holds::Hits),
    ("bot_ips", Holds::Hits),
    ("bot_user_agents", Holds::Bots),
    ("excluded_referrers", Holds::Hits),
    ("keep_fragment", Holds::Hits),
    ("title_delimiter", Holds::Hits),
    ("identity", Holds::Hits),
    ("honour", Holds::Hits),
    ("country_fallback", Holds::Hits),
    ("new_visit_on_referrer", Holds::Hits),
    ("ecommerce", Holds::Hits),
    ("retention_days", Holds::Retention),
    ("site_search", Holds::Hits),
    ("sections", Holds::Answers),
    ("segments", Holds::Answers),
    ("goals", Holds::Goals),
    ("dimensions", Holds::Hits),
];

impl Holds {
    fn said(self, site: i32, has_hits: bool) -> String {
        match self {
            Self::Answers => "holds at once, for all history".to_owned(),
            Self::Hits => "holds for hits from now on; those of before stay as they are".to_owned(),
            Self::Midnight if has_hits => {
                "holds from the next midnight of the old zone on; earlier dates stay as they are"
                    .to_owned()
            }
            Self::Midnight => "holds at once, as there are no hits yet".to_owned(),
            Self::Goals => format!(
                "hold for hits merged from now on; for history too: hitlake reapply goals --site {site}"
            ),
            Self::Bots => format!(
                "hold for hits from now on; for history too: hitlake reapply bots --site {site}"
            ),
            Self::Retention => {
                "holds from the next run of the schedule on, for all history; what is erased stays erased"
                    .to_owned()
            }
        }
    }
}

/// What the settings that differ do to history: name of the setting, and what is to be said of it.
#[must_use]
pub fn changes(
    old: &SiteSettings,
    new: &SiteSettings,
    has_hits: bool,
) -> Vec<(&'static str, String)> {
    let [old_values, new_values] =
        [old, new].map(|settings| serde_json::to_value(settings).unwrap_or(Value::Null));
    let changed =
        SETTINGS.into_iter().filter(|(name, _)| old_values.get(name) != new_values.get(name));
    changed.map(|(name, holds)| (name, holds.said(new.id, has_hits))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(more: &str) -> SiteSettings {
        SiteSettings::parse(&format!(r#"{{"id":7{more}}}"#)).unwrap()
    }

    #[test]
    fn every_setting_says_what_it_does_to_history() {
        let all = serde_json::to_value(site("")).unwrap();
        let mut keys: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| *key != "id");
        let mut known: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
    }

    #[test]
    fn only_what_changed_is_said() {
        let old = site("");
        assert!(changes(&old, &old, true).is_empty());
        let new = site(
            r#","timezone":"Europe/Berlin","goals":[{"id":1,"name":"a"}],"sections":[{"name":"n","include":["/n"]}]"#,
        );
        let said = changes(&old, &new, true);
        let names: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["timezone", "sections", "goals"]);
        assert!(said[0].1.contains("next midnight") && said[1].1.contains("at once"));
        assert!(said[2].1.ends_with("hitlake reapply goals --site 7"));
        let said = changes(&old, &site(r#","bot_user_agents":["Uptime"]"#), true);
        assert!(said[0].1.ends_with("hitlake reapply bots --site 7"));
        assert!(changes(&old, &new, false)[0].1.contains("no hits yet"));
    }
}
