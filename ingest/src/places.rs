//! Where an address is, by a database in MaxMind's format.
//!
//! The address stays in memory. The file is opened when it is first needed, so that a start costs
//! nothing; one that cannot be read is said once and tells nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use lake::environment::{Environment, EnvironmentError};
use lake::limits::MAX_ID_BYTES;
use maxminddb::Reader;
use serde::Deserialize;

use crate::text::cut;

/// The variable that names the database.
pub const VARIABLE: &str = "HITLAKE_GEOIP_DB";
const ALLOWED: &str = "the path of a file in MaxMind's format, such as GeoLite2-City.mmdb";

/// Country, region and city.
pub type Place = [Option<String>; 3];

/// The database, if there is one.
#[derive(Debug, Default)]
pub struct Places {
    path: Option<PathBuf>,
    reader: OnceLock<Option<Reader<Vec<u8>>>>,
}

/// A path at which there is a file.
struct File(PathBuf);

impl FromStr for File {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        if path.is_file() { Ok(Self(path)) } else { Err("there is no such file") }
    }
}

/// What is read of an entry; databases of countries lack the rest.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    country: Option<Coded<'a>>,
    #[serde(borrow, default)]
    subdivisions: Vec<Coded<'a>>,
    #[serde(borrow)]
    city: Option<City<'a>>,
}

#[derive(Deserialize)]
struct Coded<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

impl Places {
    /// The database that [`VARIABLE`] names; none where it is not set.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn from_environment(environment: &Environment) -> Result<Self, EnvironmentError> {
        let file = environment.parse::<File>(VARIABLE, ALLOWED)?;
        Ok(Self { path: file.map(|file| file.0), reader: OnceLock::new() })
    }

    /// Where an address is; nothing where the database does not know.
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> Option<Place> {
        let reader = self.reader.get_or_init(|| self.open()).as_ref()?;
        // What is wrong with an entry is wrong with the file: a place less, and no hit.
        let entry = reader.lookup(ip.to_canonical()).ok()?.decode::<Entry<'_>>().ok()??;
        let text = |text: Option<&str>| cut(text?, MAX_ID_BYTES);
        let country = text(entry.country.and_then(|country| country.iso_code))?;
        let region = text(entry.subdivisions.first().and_then(|region| region.iso_code));
        let city = text(entry.city.and_then(|city| city.names).and_then(|names| names.en));
        Some([Some(country), region, city])
    }

    fn open(&self) -> Option<Reader<Vec<u8>>> {
        let path = self.path.as_ref()?;
        match Reader::open_readfile(path) {
            Ok(reader) => Some(reader),
            Err(error) => {
                let path = path.display();
                tracing::error!(
                    "{VARIABLE}: {path} cannot be read and no place is looked up: {error}"
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str) -> Result<Places, EnvironmentError> {
        Places::from_environment(&Environment::of(&[(VARIABLE, path)]))
    }

    const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/places.mmdb");

    #[test]
    fn addresses_are_found_by_their_network() {
        let places = places(DATABASE).unwrap();
        for (ip, place) in [
            ("203.0.113.9", Some(["DE", "BE", "Cologne"])),
            ("::ffff:203.0.113.9", Some(["DE", "BE", "Cologne"])),
            ("198.51.100.128", Some(["US", "", ""])),
            ("198.51.100.127", None),
            ("2001:db8::1", Some(["JP", "", "Tokyo"])),
            ("::1", None),
        ] {
            let found = places.find(ip.parse().unwrap());
            let place =
                place.map(|place| place.map(|text| (!text.is_empty()).then(|| text.to_owned())));
            assert_eq!(found, place, "{ip}");
        }
    }

    #[test]
    fn a_wrong_path_is_refused_and_a_broken_file_tells_nothing() {
        let error = places("/nowhere.mmdb").unwrap_err().to_string();
        assert!(error.contains(VARIABLE) && error.contains("no such file"), "{error}");
        let broken = places(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        assert_eq!(broken.find("203.0.113.9".parse().unwrap()), None);
        assert_eq!(Places::default().find("203.0.113.9".parse().unwrap()), None);
    }
}
