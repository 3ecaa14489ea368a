//! Which workgroup, which database, and from how many bytes on.

use jiff::civil::Date;
use lake::environment::{Environment, EnvironmentError};

const WORKGROUP: &str = "HITLAKE_ATHENA_WORKGROUP";
/// The database of the stack where its parameter was left as it is.
const DEFAULT_DATABASE: &str = "hitlake";
/// The first one that is set; both are AWS's own.
const ENDPOINT: [&str; 2] = ["AWS_ENDPOINT_URL_ATHENA", "AWS_ENDPOINT_URL"];
const BYTES: &str = "a number of bytes; 0 for none";

/// What is configured of Athena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AthenaSettings {
    /// The workgroup; its results must be managed by Athena.
    pub workgroup: String,
    /// The database that has the table `hits`.
    pub database: String,
    /// Questions that read more bytes go to Athena by themselves; none: none does.
    pub over_bytes: Option<u64>,
    /// Where the workgroup cuts questions off; none where it is not known, or has no limit.
    pub scan_limit_bytes: Option<u64>,
    /// The first date that the table has for Athena; none: every date.
    pub first_date: Option<Date>,
    /// Another address than AWS's.
    pub endpoint: Option<String>,
}

impl AthenaSettings {
    /// Reads them; none without a workgroup.
    ///
    /// # Errors
    ///
    /// When a variable is not what it may be.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, EnvironmentError> {
        let bytes = |name| {
            let number = environment.parse::<u64>(name, BYTES)?;
            Ok(number.filter(|bytes| *bytes > 0))
        };
        let over_bytes = bytes("HITLAKE_ATHENA_OVER_BYTES")?;
        let scan_limit_bytes = bytes("HITLAKE_ATHENA_SCAN_LIMIT_BYTES")?;
        let first_date =
            environment.parse("HITLAKE_ATHENA_FIRST_DATE", "a date such as 2026-03-01")?;
        let Some(workgroup) = environment.optional(WORKGROUP) else { return Ok(None) };
        let database = environment.optional("HITLAKE_ATHENA_DATABASE");
        Ok(Some(Self {
            workgroup,
            database: database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()),
            over_bytes,
            scan_limit_bytes,
            first_date,
            endpoint: ENDPOINT.iter().find_map(|name| environment.optional(name)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_workgroup_there_is_no_athena() {
        let read = |variables: &[(&str, &str)]| {
            AthenaSettings::from_environment(&Environment::of(variables))
        };
        assert_eq!(read(&[("HITLAKE_ATHENA_OVER_BYTES", "5")]).unwrap(), None);
        let only = read(&[(WORKGROUP, "w")]).unwrap().unwrap();
        assert_eq!((only.workgroup.as_str(), only.database.as_str()), ("w", "hitlake"));
        assert_eq!((only.over_bytes, only.scan_limit_bytes, only.endpoint), (None, None, None));
        let all = read(&[
            (WORKGROUP, "w"),
            ("HITLAKE_ATHENA_DATABASE", "d"),
            ("HITLAKE_ATHENA_OVER_BYTES", "5"),
            ("HITLAKE_ATHENA_SCAN_LIMIT_BYTES", "0"),
            ("HITLAKE_ATHENA_FIRST_DATE", "2020-02-29"),
            ("AWS_ENDPOINT_URL_ATHENA", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
        ]);
        let all = all.unwrap().unwrap();
        assert_eq!(
            (all.database.as_str(), all.over_bytes, all.scan_limit_bytes),
            ("d", Some(5), None)
        );
        assert_eq!(all.first_date, Some(jiff::civil::date(2020, 2, 29)));
        assert_eq!(all.endpoint.as_deref(), Some("http://127.0.0.1:1"));
        let wrong = read(&[("HITLAKE_ATHENA_OVER_BYTES", "lots")]).unwrap_err().to_string();
        assert!(wrong.contains("HITLAKE_ATHENA_OVER_BYTES") && wrong.contains(BYTES), "{wrong}");
        assert!(read(&[("HITLAKE_ATHENA_FIRST_DATE", "2021-02-29")]).is_err());
    }
}
