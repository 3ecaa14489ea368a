//! Settings out of the environment.
//!
//! The one place that reads environment variables (clippy bans it elsewhere). A
//! `main` reads them once at start; an invalid one is refused by its name, its
//! value and what is allowed. Tests pass a map instead of the process's variables.

use std::fmt;
use std::str::FromStr;

/// Why a setting was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable that has no default is not set.
    #[error("{name} is not set; allowed: {allowed}")]
    Missing {
        /// Name of the variable.
        name: String,
        /// What it may be.
        allowed: String,
    },
    /// A variable is set to something that it cannot be.
    #[error("{name} is {value:?}, which is not allowed: {reason}; allowed: {allowed}")]
    Invalid {
        /// Name of the variable.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What it may be.
        allowed: String,
    },
}

/// Gives the value of a variable.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where variables are looked up; an empty value counts as none.
pub struct Environment {
    lookup: Box<Lookup>,
}

impl fmt::Debug for Environment {
    /// Shows no value: variables hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::new(process_variable)
    }

    /// Variables as `lookup` gives them.
    #[must_use]
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// These names and values, and no others.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let variables: std::collections::HashMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::new(move |name| variables.get(name).cloned())
    }

    /// The value of `name`, or none where it is unset or empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`; `allowed` says in the error what it may be.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Missing`] where it is unset or empty.
    pub fn required(&self, name: &str, allowed: &str) -> Result<String, EnvironmentError> {
        self.optional(name).ok_or_else(|| missing(name, allowed))
    }

    /// The parsed value of `name`, or none where it is unset or empty.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Invalid`] where it cannot be parsed.
    pub fn parse<T>(&self, name: &str, allowed: &str) -> Result<Option<T>, EnvironmentError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(value) = self.optional(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(reason) => Err(EnvironmentError::Invalid {
                name: name.to_owned(),
                reason: reason.to_string(),
                value,
                allowed: allowed.to_owned(),
            }),
        }
    }

    /// The parsed value of `name`.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] where it is unset, empty, or cannot be parsed.
    pub fn parse_required<T>(&self, name: &str, allowed: &str) -> Result<T, EnvironmentError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.parse(name, allowed)?.ok_or_else(|| missing(name, allowed))
    }
}

fn missing(name: &str, allowed: &str) -> EnvironmentError {
    EnvironmentError::Missing { name: name.to_owned(), allowed: allowed.to_owned() }
}

/// Bytes that are no UTF-8 are kept as replacement characters, so that the error can show them.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn process_variable(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(value) => Some(value),
        Err(std::env::VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
        Err(std::env::VarError::NotPresent) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn errors_name_the_variable_the_value_and_what_is_allowed() {
        let environment = Environment::of(&[("HITLAKE_MERGE_MEMORY_MB", "lots"), ("EMPTY", "")]);
        let error = environment
            .parse::<u32>("HITLAKE_MERGE_MEMORY_MB", "a number of MiB")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "HITLAKE_MERGE_MEMORY_MB is \"lots\", which is not allowed: invalid digit found in string; allowed: a number of MiB"
        );
        let error = environment.required("HITLAKE_STORE", "a folder").unwrap_err().to_string();
        assert_eq!(error, "HITLAKE_STORE is not set; allowed: a folder");
        assert_eq!(environment.optional("EMPTY"), None);
        assert_eq!(environment.parse::<u32>("EMPTY", "").unwrap(), None);
    }

    #[test]
    fn the_process_has_a_path() {
        assert!(Environment::process().optional("PATH").is_some());
        assert_eq!(Environment::process().optional("HITLAKE_NO_SUCH_VARIABLE"), None);
    }
}
