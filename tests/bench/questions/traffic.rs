//! Made-up traffic: sites of Zipf sizes, pages and visitors with long tails, days that are busy in
//! the middle and weeks that are not at their end. The same seed gives the same hits.

use jiff::civil::Date;
use lake::clock::{Random as _, SeededRandom};

use crate::generated::{Generated, of_visitor};

/// The sites are 1, the largest, to this.
pub(crate) const SITES: u64 = 20;
/// Paths of the largest site; the others have fewer in proportion.
const PATHS: f64 = 20_000.0;
const LONGEST_SESSION: u64 = 60;
/// A session begins early enough to end on its date.
const LAST_START_S: f64 = 80_000.0;

/// One date's chance.
struct Chance(SeededRandom);

impl Chance {
    fn bits(&self) -> u128 {
        self.0.next_u128()
    }

    /// From 0 to below 1.
    fn part(&self) -> f64 {
        (self.bits() >> 75) as f64 / (1_u64 << 53) as f64
    }

    fn below(&self, limit: f64) -> u64 {
        (self.part() * limit) as u64
    }
}

/// About `hits` hits of a date in UTC.
pub(crate) fn of_date(date: Date, hits: u64, seed: u64) -> Vec<Generated> {
    let zoned = date.at(0, 0, 0, 0).to_zoned_datetime(jiff::tz::TimeZone::UTC).unwrap();
    let start_us = zoned.timestamp().as_microsecond();
    let weekend = date.weekday().to_monday_zero_offset() > 4;
    let hits = hits as f64 * if weekend { 0.75 } else { 1.1 };
    let shares: f64 = (1..=SITES).map(|site| 1.0 / site as f64).sum();
    let mut made = Vec::new();
    for site in 1..=SITES {
        let count = (hits / site as f64 / shares).max(1.0) as usize;
        let chance = Chance(SeededRandom::new(seed ^ start_us.unsigned_abs() ^ site << 56));
        let end = made.len() + count;
        while made.len() < end {
            session(site, count as f64, start_us, &chance, &mut made);
        }
    }
    made
}

fn session(site: u64, daily: f64, start_us: i64, chance: &Chance, made: &mut Vec<Generated>) {
    // Some come each day, most once; four times as many as there are hits of a date.
    let visitor = site << 40 | (chance.part().powi(3) * daily * 4.0) as u64;
    let length = (1.0 / (1.0 - chance.part()).powf(0.8)) as u64;
    let start_s = (chance.part() + chance.part()) / 2.0 * LAST_START_S;
    let mut at_us = start_us + (start_s * 1e6) as i64;
    for number in 0..length.min(LONGEST_SESSION) {
        if number > 0 {
            at_us += (chance.part().powi(3) * 600e6) as i64 + 1_000_000;
        }
        made.push(hit(site, visitor, at_us, number == 0, chance));
    }
}

fn hit(site: u64, visitor: u64, at_us: i64, first: bool, chance: &Chance) -> Generated {
    let ts_us = at_us / 1_000 * 1_000;
    let (ms, drawn) = (u128::try_from(ts_us / 1_000).unwrap(), chance.bits());
    let kinds = ["pageview", "event", "download", "outlink", "search", "ping"];
    let kind = match chance.below(100.0) {
        ..82 => 0,
        at @ ..98 => 1 + (usize::try_from(at).unwrap() - 82) / 4,
        _ if first => 0,
        _ => 5,
    };
    Generated {
        site: i32::try_from(site).unwrap(),
        ts_us,
        id: ms << 80 | 7 << 76 | (drawn & 0xFFF) << 64 | 2 << 62 | (drawn >> 20 & ((1 << 62) - 1)),
        visitor,
        page: (chance.part().powi(3) * (PATHS / site as f64)) as u64,
        rare: u64::try_from(drawn >> 96).unwrap(),
        kind: kinds.get(kind).unwrap(),
        channel: if first {
            let channels = ["search", "direct", "website", "social", "campaign", "ai", "email"];
            of_visitor(visitor ^ chance.below(3.0), &channels, 16)
        } else {
            "internal"
        },
        is_bot: visitor.is_multiple_of(25),
    }
}
