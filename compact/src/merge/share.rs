//! Which dates and which of their parts one of several runs takes, so that a date that is too large
//! for one run is merged by several at the same time, a part each, without a word between them.
//!
//! Two merges of one part at once are harmless, so nothing is lost or counted twice where shares
//! overlap, as while their number changes; what a missing share would take waits, and is found late.

use jiff::civil::Date;
use lake::limits::MAX_PARTS;
use serde::Deserialize;

const DAY_S: i64 = 24 * 3_600;

/// One of several runs that share the work; without a word it is the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Named")]
pub struct Share {
    number: u16,
    of: u16,
}

/// The same as the event names it.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    share: u16,
    #[serde(default = "one")]
    of: u16,
}

const fn one() -> u16 {
    1
}

/// A share that there cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "share {share} of {of} is not possible; of: 1 to {MAX_PARTS}, share: 0 to one less than that"
)]
pub struct ShareError {
    share: u16,
    of: u16,
}

impl Default for Share {
    fn default() -> Self {
        Self { number: 0, of: 1 }
    }
}

impl TryFrom<Named> for Share {
    type Error = ShareError;

    fn try_from(Named { share, of }: Named) -> Result<Self, ShareError> {
        Self::new(share, of)
    }
}

impl Share {
    /// Share `share`, counted from 0, of `of` shares.
    ///
    /// # Errors
    ///
    /// [`ShareError`] when there are not so many, or more than a date can have parts.
    pub const fn new(share: u16, of: u16) -> Result<Self, ShareError> {
        if of > MAX_PARTS || share >= of {
            return Err(ShareError { share, of });
        }
        Ok(Self { number: share, of })
    }

    /// Whether it takes this part of a date. Parts of one date go to the shares in turn, and so do
    /// the first parts of neighbouring dates: usually today and yesterday have waiting hits.
    #[must_use]
    pub fn takes(self, dt: Date, part: u16) -> bool {
        let day = dt.duration_since(Date::ZERO).as_secs() / DAY_S;
        (day + i64::from(part)).rem_euclid(i64::from(self.of)) == i64::from(self.number)
    }

    /// Whether it does what is not the work of any date: one share does.
    pub(super) const fn keeps_house(self) -> bool {
        self.number == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn named(text: &str) -> Result<Share, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_part_of_every_date_is_taken_by_exactly_one_share() {
        let first = date(2026, 12, 20);
        for of in [1, 2, 3, 4, MAX_PARTS] {
            let shares: Vec<Share> = (0..of).map(|share| Share::new(share, of).unwrap()).collect();
            for dt in first.series(jiff::Span::new().days(1)).take(30) {
                for part in 0..MAX_PARTS {
                    let takers = shares.iter().filter(|share| share.takes(dt, part)).count();
                    assert_eq!(takers, 1, "{dt}, part {part} of {of} shares");
                }
            }
            assert_eq!(shares.iter().filter(|share| share.keeps_house()).count(), 1);
        }
    }

    #[test]
    fn parts_of_a_date_and_neighbouring_dates_go_to_shares_in_turn() {
        for (dt, next) in [
            (date(2026, 11, 28), date(2026, 11, 29)),
            (date(2026, 12, 31), date(2027, 1, 1)),
            (date(2028, 2, 28), date(2028, 2, 29)),
        ] {
            for share in 0..4 {
                let share = Share::new(share, 4).unwrap();
                assert_eq!((0..4).filter(|part| share.takes(dt, *part)).count(), 1);
                assert_eq!(share.takes(dt, 1), share.takes(next, 0), "{dt}");
            }
        }
    }

    #[test]
    fn an_event_without_a_share_is_for_the_only_run() {
        assert_eq!(named("{}"), Ok(Share::default()));
        assert_eq!(named(r#"{"share":0,"of":1}"#), Ok(Share::default()));
        assert_eq!(named(r#"{"share":3,"of":4}"#), Ok(Share { number: 3, of: 4 }));
        for text in [r#"{"share":4,"of":4}"#, r#"{"share":1}"#, r#"{"of":0}"#, r#"{"of":65}"#] {
            let error = named(text).unwrap_err();
            assert!(error.contains("is not possible; of: 1 to 64"), "{text}: {error}");
        }
    }
}
