//! Ids: of a hit within its site, of a visitor, a fingerprint or a client.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The identity of a hit within its site: a UUID, sent by the client or derived from a digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HitId(pub u128);

impl fmt::Display for HitId {
    /// The canonical form of a UUID, lower case, with hyphens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl HitId {
    /// Reads a UUID in any usual form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.as_u128()))
    }

    /// The time inside a version 7 UUID, Unix milliseconds.
    #[must_use]
    pub fn time_ms(self) -> Option<i64> {
        let id = uuid::Uuid::from_u128(self.0);
        (id.get_version_num() == 7).then(|| i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl Serialize for HitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = uuid::Uuid::encode_buffer();
        serializer.serialize_str(uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(&mut text))
    }
}

impl<'de> Deserialize<'de> for HitId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("id is not a UUID"))
    }
}

/// A visitor, a fingerprint or a client's id: 64 bits, shown as 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id64(pub u64);

impl fmt::Display for Id64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Id64 {
    /// A client's own id: 16 hex digits as they are, any other text by its digest.
    #[must_use]
    pub fn of_visitor(visitor: &str) -> Option<Self> {
        let visitor = visitor.trim();
        if visitor.is_empty() {
            return None;
        }
        Some(Self::parse(visitor).unwrap_or_else(|| Self::of_digest(&Sha256::digest(visitor))))
    }

    /// The first bytes of a digest.
    #[must_use]
    pub fn of_digest(digest: &[u8]) -> Self {
        Self(digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first)))
    }

    /// Reads exactly 16 hex digits, of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A quarter of the time of `from_str_radix`, which takes signs, too; a merge reads two for each row.
        let digits: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let number = digits.iter().try_fold(0, |number: u64, &digit| {
            let value = char::from(digit).to_digit(16)?;
            Some(number << 4 | u64::from(value))
        });
        number.map(Self)
    }
}

impl Serialize for Id64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 16 hex digits"))
    }
}
