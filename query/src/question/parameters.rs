//! The query string as pairs of name and value, each name known and given once; refusals.

use std::fmt;

use lake::nearest::nearest;
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use crate::dimension::Dimension;
use crate::metric::Metric;

/// Parameters whose text is a list of names with commas between.
const LISTS: [&str; 3] = ["sites", "metrics", "by"];

/// What other APIs call a token in the query string.
const TOKENS_ELSEWHERE: [&str; 5] = ["token", "token_auth", "access_token", "api_key", "key"];
const IN_THE_HEADER: &str = "a token is sent in the header Authorization: Bearer TOKEN; revoke this \
    one (hitlake token revoke) if the address may have been logged";

/// Why a question was refused: the parts of a problem document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// The parameter.
    pub parameter: String,
    /// Its value.
    pub value: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// What is allowed.
    pub allowed: Vec<String>,
    /// The nearest right name.
    pub suggestion: Option<String>,
}

impl Refused {
    /// A refusal without a list of what is allowed.
    #[must_use]
    pub fn new(parameter: &str, value: &str, detail: impl Into<String>) -> Self {
        Self {
            parameter: parameter.to_owned(),
            value: value.to_owned(),
            detail: detail.into(),
            allowed: Vec::new(),
            suggestion: None,
        }
    }

    /// The refusal of a name that is none of the `allowed`.
    #[must_use]
    pub fn unknown(parameter: &str, name: &str, allowed: &[&str]) -> Self {
        let nearest = nearest(name, allowed.iter().copied());
        let hint = nearest.map(|nearest| format!("; did you mean {nearest}?"));
        Self {
            allowed: allowed.iter().map(|name| (*name).to_owned()).collect(),
            suggestion: nearest.map(str::to_owned),
            ..Self::new(
                parameter,
                name,
                format!(
                    "{parameter} has {name:?}, which is not known here{}",
                    hint.unwrap_or_default()
                ),
            )
        }
    }
}

impl Refused {
    /// The refusal of a parameter that was given before.
    fn twice(name: &str, value: &str) -> Self {
        Self::new(name, value, format!("{name} is given more than once; give it once"))
    }

    /// The refusal of a parameter that there is not.
    fn no_parameter(name: &str, value: String, known: &[&str]) -> Self {
        if TOKENS_ELSEWHERE.contains(&name) {
            // It is not said again: answers are kept and sent on.
            return Self::new(name, "", IN_THE_HEADER);
        }
        let unknown = Self::unknown(name, name, known);
        let told = known.contains(&"by").then(|| told_apart(name)).flatten();
        let suggestion = unknown.suggestion.filter(|_| told.is_none());
        let hint = suggestion.as_ref().map(|nearest| format!("did you mean {nearest}?")).or(told);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let detail = format!("there is no parameter {name:?} here{hint}");
        Self { value, detail, suggestion, ..unknown }
    }
}

/// How a question says a name that is no parameter.
fn told_apart(name: &str) -> Option<String> {
    let dimension = || format!("it is a dimension: by={name}, or filter={name}==VALUE");
    let metric = || format!("it is a metric: metrics={name}");
    Dimension::find(name).map(|_| dimension()).or_else(|| Metric::find(name).map(|_| metric()))
}

/// The parameters of one question.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl From<Vec<(String, String)>> for Parameters {
    /// Pairs that were parameters before.
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

impl Parameters {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// [`Refused`] when a name is none of the `known` or given twice, or the text is not UTF-8.
    pub fn parse(query: &str, known: &[&str]) -> Result<Self, Refused> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map_err(|name| Refused::new(&name, "", NOT_UTF8))?;
            let value = decode(value).map_err(|value| Refused::new(&name, &value, NOT_UTF8))?;
            if !known.contains(&name.as_str()) {
                return Err(Refused::no_parameter(&name, value, known));
            }
            if pairs.iter().any(|(given, _)| *given == name) {
                return Err(Refused::twice(&name, &value));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Reads a JSON object: texts, numbers, true, false, and lists of them for comma lists.
    ///
    /// # Errors
    ///
    /// As [`Parameters::parse`], and when the text is no such object.
    pub fn from_json(text: &str, known: &[&str]) -> Result<Self, Refused> {
        let refused = |why: String| Refused::new("", "", why);
        let Members(members) = serde_json::from_str(text).map_err(|error| {
            refused(format!("the body is no JSON object of parameters: {error}"))
        })?;
        let mut pairs = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in &members {
            if names.contains(&name.as_str()) {
                return Err(Refused::twice(name, &value.to_string()));
            }
            names.push(name);
            if value.is_null() {
                continue;
            }
            if !known.contains(&name.as_str()) {
                let text = plain(value).unwrap_or_else(|| value.to_string());
                return Err(Refused::no_parameter(name, text, known));
            }
            pairs.push((name.clone(), text_of(name, value)?));
        }
        Ok(Self(pairs))
    }

    /// Fills in what was not given.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.of(name).is_none() {
            self.set(name, value);
        }
    }

    /// Sets one, whatever was given.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(given, _)| given != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// All that have a value but these, as pairs.
    pub(crate) fn but(&self, names: &[&str]) -> Vec<(String, String)> {
        let kept = |(name, value): &&(String, String)| {
            !value.is_empty() && !names.contains(&name.as_str())
        };
        self.0.iter().filter(kept).cloned().collect()
    }

    /// The value of a parameter; one without a value counts as not given.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(given, value)| given == name && !value.is_empty());
        pair.map(|(_, value)| value.as_str())
    }

    /// The value as one of named things, or the first of these.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it is none of them.
    pub fn one_of<T: Copy>(&self, name: &str, named: &[(&'static str, T)]) -> Result<T, Refused> {
        let given = self.of(name).or(named.first().map(|(name, _)| *name)).unwrap_or_default();
        let found = named.iter().find(|(known, _)| *known == given).map(|(_, thing)| *thing);
        found.ok_or_else(|| {
            let allowed: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
            Refused::unknown(name, given, &allowed)
        })
    }

    /// The value as a whole number of at least `least`.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it is not.
    pub fn number(&self, name: &str, least: usize) -> Result<Option<usize>, Refused> {
        let Some(text) = self.of(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number >= least);
        let refused =
            || Refused::new(name, text, format!("{name} must be a whole number, {least} or above"));
        number.map(Some).ok_or_else(refused)
    }

    /// The value as a comma list of names, none twice.
    ///
    /// # Errors
    ///
    /// [`Refused`] when a name is given twice.
    pub fn list(&self, name: &str) -> Result<Vec<&str>, Refused> {
        let mut names: Vec<&str> = Vec::new();
        for given in self.of(name).into_iter().flat_map(|list| list.split(',')) {
            let given = given.trim();
            if names.contains(&given) {
                return Err(Refused::new(name, given, format!("{name} names {given} twice")));
            }
            names.push(given);
        }
        Ok(names)
    }
}

/// The members of a JSON object as they stand there: a map would keep the last of a name alone.
struct Members(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

/// The text that the query string would have for a value.
fn text_of(name: &str, value: &Json) -> Result<String, Refused> {
    let text = match value {
        Json::Array(list) if LISTS.contains(&name) => {
            list.iter().map(plain).collect::<Option<Vec<_>>>().map(|list| list.join(","))
        }
        value => plain(value),
    };
    text.ok_or_else(|| {
        let detail = match (LISTS.contains(&name), name) {
            (true, _) => format!("{name} must be text, a number or a list of them"),
            (_, "filter") => "filter must be one text: conditions with ; between must all hold, \
                with , between one of them (country==GB;device==mobile,device==tablet)"
                .to_owned(),
            _ => format!(
                "{name} must be text, a number, true or false; lists are for {}",
                LISTS.join(", ")
            ),
        };
        Refused::new(name, &value.to_string(), detail)
    })
}

fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

const NOT_UTF8: &str = "the text is not UTF-8 after percent-decoding";

fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced);
    match decoded.clone().decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(decoded.decode_utf8_lossy().into_owned()),
    }
}
