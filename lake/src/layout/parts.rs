//! Into how many parts a date is divided: the object `settings/layout.json`.
//!
//! A change takes effect some days ahead (DESIGN section 4), so that a date never changes while it
//! has hits: going from one part to two could not be done in one PUT.

use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_PARTS, PARTS_AHEAD_DAYS};
use crate::store::{Expected, JsonError, Store, put_json_if, read_json};

/// Where the setting lies.
pub const PARTS_PATH: &str = "settings/layout.json";

/// From some date on, this many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsFrom {
    /// The first date.
    pub from: Date,
    /// Parts of that date and later ones.
    pub parts: u16,
}

/// The number of parts by date; one before the first entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// In the order of dates.
    pub parts: Vec<PartsFrom>,
}

/// Why a number of parts was refused.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// Too many or none.
    #[error("{0} parts are not possible; allowed: 1 to {MAX_PARTS}")]
    Number(u16),
    /// Too early, or before a change that was made already.
    #[error("{from} is too early; the first date that can have another number of parts is {first}")]
    Early {
        /// The date asked for.
        from: Date,
        /// The first that is possible.
        first: Date,
    },
    /// The setting could not be read or written.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl Parts {
    /// The setting in the store.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when it cannot be read.
    pub async fn read(store: &dyn Store) -> Result<Self, JsonError> {
        let read = read_json::<Self>(store, &Path::from(PARTS_PATH)).await?;
        Ok(read.map(|read| read.value).unwrap_or_default())
    }

    /// How many parts a date has.
    #[must_use]
    pub fn of(&self, dt: Date) -> u16 {
        let entry = self.parts.iter().rfind(|entry| entry.from <= dt);
        entry.map_or(1, |entry| entry.parts.clamp(1, MAX_PARTS))
    }

    /// Adds a change, seen from `today` (UTC).
    ///
    /// # Errors
    ///
    /// [`PartsError`] when the number or the date is not possible.
    pub fn change(&mut self, today: Date, to: PartsFrom) -> Result<(), PartsError> {
        if to.parts == 0 || to.parts > MAX_PARTS {
            return Err(PartsError::Number(to.parts));
        }
        let ahead = today.saturating_add(jiff::Span::new().days(PARTS_AHEAD_DAYS));
        let first = self.parts.last().map_or(ahead, |last| last.from.max(ahead));
        if to.from < first {
            return Err(PartsError::Early { from: to.from, first });
        }
        self.parts.retain(|entry| entry.from != to.from);
        self.parts.push(to);
        Ok(())
    }

    /// Makes a change in the store.
    ///
    /// # Errors
    ///
    /// [`PartsError`]; a conflict means that somebody else made one meanwhile.
    pub async fn put(store: &dyn Store, today: Date, to: PartsFrom) -> Result<Self, PartsError> {
        let path = Path::from(PARTS_PATH);
        let read = read_json::<Self>(store, &path).await?;
        let (mut parts, expected) = match read {
            Some(read) => (read.value, Expected::ETag(read.e_tag)),
            None => (Self::default(), Expected::Absent),
        };
        parts.change(today, to)?;
        put_json_if(store, &path, &parts, expected).await?;
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_change_is_two_days_ahead_and_leaves_earlier_dates_alone() {
        let today = date(2026, 11, 28);
        let mut parts = Parts::default();
        let to = |day, parts| PartsFrom { from: date(2026, 11, day), parts };
        assert!(matches!(parts.change(today, to(29, 2)), Err(PartsError::Early { .. })));
        parts.change(today, to(30, 2)).unwrap();
        assert_eq!([28, 29, 30].map(|day| parts.of(date(2026, 11, day))), [1, 1, 2]);
        parts.change(today, to(30, 3)).unwrap();
        assert_eq!(parts.of(date(2027, 1, 1)), 3);
        let later = date(2026, 12, 28);
        let first = date(2026, 12, 30);
        for (number, allowed) in [(0, false), (1, true), (MAX_PARTS, true), (MAX_PARTS + 1, false)]
        {
            let changed = parts.change(later, PartsFrom { from: first, parts: number });
            assert_eq!(changed.is_ok(), allowed, "{number} parts");
        }
    }
}
