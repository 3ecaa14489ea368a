//! What the metrics API takes from its environment: whose pages may ask, how often a token may,
//! how much memory a question has, and whether there is an Athena.

use std::num::NonZeroU32;

use lake::environment::{Environment, EnvironmentError};
use lake::limits::{MAX_COUNTED_BYTES, MAX_TOKEN_RATE};

use crate::athena::AthenaSettings;

/// Origins whose pages may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any: a token comes in a header that a page must put there itself, never by the browser's
    /// own doing.
    #[default]
    Any,
    /// These alone.
    Listed(Vec<String>),
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Origins whose pages may ask.
    pub origins: Origins,
    /// Questions a minute that one token may ask of one process.
    pub token_rate: Option<NonZeroU32>,
    /// What answers larger questions.
    pub athena: Option<AthenaSettings>,
    /// Bytes of memory that one question may keep.
    pub question_bytes: usize,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            token_rate: None,
            athena: None,
            question_bytes: MAX_COUNTED_BYTES,
        }
    }
}

impl ApiSettings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable is not what it may be.
    pub fn from_environment(environment: &Environment) -> Result<Self, EnvironmentError> {
        let origins = environment.parse::<Origins>(
            "HITLAKE_METRICS_ORIGINS",
            "* or origins such as https://dash.example, with commas between",
        )?;
        let allowed = format!("a number up to {MAX_TOKEN_RATE}; 0 for no limit");
        let rate = environment.parse::<Rate>("HITLAKE_TOKEN_RATE", &allowed)?;
        // Lambda itself sets it. The other half is for what is read, and for the process.
        let function_mb =
            environment.parse::<usize>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "a number of MB")?;
        let half = function_mb.map(|mb| mb.saturating_mul(1024 * 1024) / 2);
        Ok(Self {
            question_bytes: half.map_or(MAX_COUNTED_BYTES, |half| half.min(MAX_COUNTED_BYTES)),
            origins: origins.unwrap_or_default(),
            token_rate: rate.and_then(|rate| NonZeroU32::new(rate.0)),
            athena: AthenaSettings::from_environment(environment)?,
        })
    }
}

struct Rate(u32);

impl std::str::FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate = text.parse().ok().filter(|rate| *rate <= MAX_TOKEN_RATE);
        rate.map(Self).ok_or("it is no such number")
    }
}

impl std::str::FromStr for Origins {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origins: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
        let host = |origin: &String| {
            let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://"))?;
            (!host.is_empty() && !host.contains(['/', '*', ' '])).then_some(())
        };
        let sound = origins.iter().all(|origin| host(origin).is_some());
        sound.then_some(Self::Listed(origins)).ok_or("an origin is a scheme and a host, no path")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Result<ApiSettings, EnvironmentError> {
        ApiSettings::from_environment(&Environment::of(&[(name, value)]))
    }

    #[test]
    fn origins_are_listed_or_any() {
        let listed = |value| read("HITLAKE_METRICS_ORIGINS", value).map(|read| read.origins);
        assert_eq!(listed("").unwrap(), Origins::Any);
        assert_eq!(listed("*").unwrap(), Origins::Any);
        let two = ["https://a.example".to_owned(), "http://localhost:3000".to_owned()];
        assert_eq!(
            listed("https://a.example, http://localhost:3000").unwrap(),
            Origins::Listed(two.to_vec())
        );
        for wrong in ["a.example", "https://a.example/", "https://*.example", "https://", ","] {
            assert!(listed(wrong).unwrap_err().to_string().contains("METRICS_ORIGINS"), "{wrong}");
        }
    }

    #[test]
    fn a_question_has_half_of_the_functions_memory_and_no_more_than_the_limit() {
        let bytes = |mb: &str| read("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mb).unwrap().question_bytes;
        let limit_mb = MAX_COUNTED_BYTES / 1024 / 1024;
        assert_eq!(bytes(""), MAX_COUNTED_BYTES);
        assert_eq!(bytes("256"), 128 * 1024 * 1024);
        let below = 2 * limit_mb - 2;
        assert_eq!(bytes(&below.to_string()), MAX_COUNTED_BYTES - 1024 * 1024);
        for mb in [2 * limit_mb, 2 * limit_mb + 2, 10_240] {
            assert_eq!(bytes(&mb.to_string()), MAX_COUNTED_BYTES, "{mb}");
        }
        assert!(read("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much").is_err());
    }

    #[test]
    fn the_rate_is_within_its_limit() {
        let rate = |value: &str| read("HITLAKE_TOKEN_RATE", value).map(|read| read.token_rate);
        assert_eq!(rate("0").unwrap(), None);
        assert_eq!(rate("60").unwrap(), NonZeroU32::new(60));
        for near in [MAX_TOKEN_RATE - 1, MAX_TOKEN_RATE] {
            assert_eq!(rate(&near.to_string()).unwrap(), NonZeroU32::new(near));
        }
        assert!(rate(&(MAX_TOKEN_RATE + 1).to_string()).is_err());
        assert!(rate("-1").is_err() && rate("many").is_err());
    }
}
