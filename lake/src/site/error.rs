//! Why settings were refused: the key's path, its value, what is allowed, and the nearest name.

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::settings::SiteSettings;
use crate::limits::MAX_SETTINGS_BYTES;
use crate::nearest::nearest;
use crate::store::JsonError;

/// Why settings were refused or not had.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Not the JSON of a site's settings.
    #[error("site settings: {0}")]
    Refused(String),
    /// There is no such site.
    #[error("there is no site {0}; `hitlake site list` shows those there are")]
    Unknown(i32),
    /// The store.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The store.
    #[error("settings: {0}")]
    Store(#[from] object_store::Error),
}

const ADDRESSES: &str =
    "addresses, networks such as 192.0.2.0/24, or IPv4 ending in *, such as 192.0.2.*";
const USER_AGENTS: &str = "parts of user agents, or regular expressions such as /bot|crawl/";

/// What may stand at a key; lists and their entries share a line.
const ALLOWED: [(&str, &str); 43] = [
    ("id", "1 to 2147483647"),
    ("name", "text of at most 200 bytes"),
    ("timezone", "an IANA time zone such as Europe/Berlin"),
    ("currency", "three capital letters of ISO 4217, such as EUR"),
    ("hosts", "host names alone, without scheme, port and path, such as shop.example"),
    ("allowed_origins", "scheme, host and port at most, such as https://shop.example"),
    ("exclude_unknown_hosts", "true or false"),
    ("excluded_parameters", "names of query parameters, such as token"),
    ("excluded_ips", ADDRESSES),
    ("excluded_user_agents", USER_AGENTS),
    ("bot_ips", ADDRESSES),
    ("bot_user_agents", USER_AGENTS),
    ("excluded_referrers", "host names such as spam.example"),
    ("keep_fragment", "true or false"),
    ("title_delimiter", "text"),
    ("identity", "daily, weekly, monthly, first_party"),
    ("honour", "a list of gpc, dnt"),
    ("country_fallback", "none, timezone, language"),
    ("new_visit_on_referrer", "true or false"),
    ("ecommerce", "true or false"),
    ("retention_days", "null, or 1 to 36500"),
    ("site_search", "an object with on, keyword, category"),
    ("site_search.on", "true or false"),
    ("site_search.keyword", "names of query parameters, such as q"),
    ("site_search.category", "names of query parameters, such as cat"),
    ("sections", "a list of objects with name, include, exclude"),
    ("sections.name", "text of 1 to 200 bytes, each name once"),
    ("sections.include", "path prefixes, at least one, each beginning with /"),
    ("sections.exclude", "path prefixes, each beginning with /"),
    ("segments", "a list of objects with name, filter"),
    ("segments.name", "text of 1 to 200 bytes, each name once"),
    ("segments.filter", "a filter such as country==GB"),
    ("goals", "a list of objects with id, name, match, type, pattern, ..."),
    ("goals.id", "1 to 2147483647, each id once"),
    ("goals.name", "text of 1 to 200 bytes"),
    (
        "goals.match",
        "manual, url, title, download, outlink, event_category, event_action, event_name",
    ),
    ("goals.type", "contains, exact, starts_with, regex"),
    ("goals.pattern", "text; a regular expression of moderate size where type is regex"),
    ("goals.revenue", "a number, 0 or more"),
    ("dimensions", "a list of objects with id, name, scope, active"),
    ("dimensions.id", "1 to 20, each id once"),
    ("dimensions.name", "text of 1 to 200 bytes"),
    ("dimensions.scope", "visit, action"),
];

/// What may stand at the key `path` (`goals[0].match`).
fn allowed(path: &str) -> &'static str {
    let mut key = String::with_capacity(path.len());
    let mut in_brackets = false;
    for letter in path.chars() {
        match letter {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            other if !in_brackets => key.push(other),
            _ => {}
        }
    }
    ALLOWED.iter().find(|(name, _)| *name == key).map_or("true or false", |(_, allowed)| *allowed)
}

/// A value that is not allowed at a key; `why` may be empty.
pub(super) fn refused(path: &str, value: &dyn std::fmt::Debug, why: &str) -> SiteError {
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    SiteError::Refused(format!("{path} is {value:?}{why}; allowed: {}", allowed(path)))
}

impl SiteSettings {
    /// Reads and checks settings.
    ///
    /// # Errors
    ///
    /// [`SiteError::Refused`] naming the key, the value and what is allowed.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        if text.len() > MAX_SETTINGS_BYTES {
            return Err(SiteError::Refused(format!(
                "they have {} bytes; the limit is {MAX_SETTINGS_BYTES}",
                text.len()
            )));
        }
        let value = serde_json::from_str(text)
            .map_err(|error| SiteError::Refused(format!("they are no JSON: {error}")))?;
        let settings = Self::from_value(&value)?;
        settings.check_segments()?;
        Ok(settings)
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, SiteError> {
        let settings: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let message = error.inner().to_string();
            explain(value, error.path(), &message)
        })?;
        settings.check()?;
        Ok(settings)
    }
}

/// serde's message in our form.
fn explain(value: &Value, path: &Path, message: &str) -> SiteError {
    let at = path.to_string();
    let mut named = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let given = named.next().unwrap_or_default();
        let near = nearest(given, named.clone()).map(|near| format!("; did you mean {near}?"));
        let near =
            near.unwrap_or_else(|| format!("; allowed: {}", named.collect::<Vec<_>>().join(", ")));
        return SiteError::Refused(format!("unknown key {at}{near}"));
    }
    if let (true, Some(name)) = (message.starts_with("missing field"), named.next()) {
        let whole = if at == "." { name.to_owned() } else { format!("{at}.{name}") };
        return SiteError::Refused(format!("{whole} is missing; allowed: {}", allowed(&whole)));
    }
    if at == "." {
        return SiteError::Refused(format!("{message}; allowed: an object"));
    }
    let given = found(value, path).map_or_else(String::new, Value::to_string);
    SiteError::Refused(format!("{at} is {given}; allowed: {}", allowed(&at)))
}

fn found<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Seq { index } => value.get(*index),
        Segment::Map { key } => value.get(key),
        Segment::Enum { .. } | Segment::Unknown => Some(value),
    })
}
