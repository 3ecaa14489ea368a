//! The dates of a question in the zones of its sites: which partitions they are, and which hours.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::site::{Identity, Site};

use super::Asked;
use crate::calendar::{Calendar, Interval};
use crate::plan::needs_hours;
use crate::question::{Question, Refused};

/// In no zone does a day begin this long before it does in UTC.
const FIRST_TO_BEGIN_MS: i64 = 16 * 3_600_000;

/// Today in a zone; in the site's without one.
pub(super) fn today(site: &Site, zone: Option<&TimeZone>, now_ms: i64) -> Date {
    match zone {
        None => site.local_date(now_ms),
        Some(zone) => {
            let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
            now.to_zoned_datetime(zone.clone()).date()
        }
    }
}

/// Hours of different zones do not stand in one row.
pub(super) fn one_zone_of_hours(asked: &[Asked]) -> Result<(), Refused> {
    let by_hour = asked.first().is_some_and(|first| first.question.interval == Interval::Hour);
    if !by_hour || timezone(asked).is_some() {
        return Ok(());
    }
    let detail = "the sites have different time zones; give tz, or an interval of a day or more";
    Err(Refused::new("interval", Interval::Hour.name(), detail))
}

/// The one zone of an answer.
pub(super) fn timezone(asked: &[Asked]) -> Option<&str> {
    let first = asked.first()?;
    if let Some(zone) = &first.question.tz {
        return zone.iana_name();
    }
    let zone = first.site.settings.timezone.as_str();
    asked.iter().all(|asked| asked.site.settings.timezone == zone).then_some(zone)
}

/// The question's days and buckets; with `tz` the times of the hits decide, else the partitions.
pub(super) fn calendar(question: &Question, site: &Site) -> Calendar {
    let zone_of = |day: Date| question.tz.clone().unwrap_or_else(|| zone_on(site, day));
    let dates = (question.from, question.to);
    let needs_hours = needs_hours(question) || question.interval == Interval::Hour;
    Calendar::new(dates, question.interval, &zone_of, question.tz.is_some(), needs_hours)
}

/// The zone that is in force when a day of the site's begins.
pub(super) fn zone_on(site: &Site, day: Date) -> TimeZone {
    let before = site.zone_at(begins_ms(day, TimeZone::UTC) - FIRST_TO_BEGIN_MS);
    site.zone_at(begins_ms(day, before))
}

fn begins_ms(day: Date, zone: TimeZone) -> i64 {
    day.to_zoned_datetime(zone).map_or(0, |start| start.timestamp().as_millisecond())
}

/// Each `identity` that hits of the question's dates may have.
pub(super) fn identities(Asked { site, question }: &Asked) -> impl Iterator<Item = Identity> {
    site.identities_since(begins_ms(question.from, zone_on(site, question.from)))
}

/// The site's dates that the question's days lie in.
pub(super) fn partitions(calendar: &Calendar, site: &Site) -> Vec<Date> {
    let Some((start_us, end_us)) = calendar.span_us() else { return calendar.days().to_vec() };
    let first = site.local_date(start_us.div_euclid(1000));
    let last = site.local_date((end_us - 1).div_euclid(1000));
    first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use jiff::civil::date;
    use lake::site::{SiteSettings, put_site, read_site};
    use lake::store::StoreRef;
    use lake::store::memory::MemoryStore;

    /// A site whose zone was changed at noon UTC of 10 March 2026.
    async fn moved(from: &str, to: &str) -> Site {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let noon: jiff::Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        for zone in [from, to] {
            let settings = format!(r#"{{"id":1,"name":"Shop","timezone":"{zone}"}}"#);
            let settings = SiteSettings::parse(&settings).unwrap();
            put_site(&store, &settings, noon.as_millisecond(), zone == to).await.unwrap();
        }
        read_site(&store, 1).await.unwrap()
    }

    #[tokio::test]
    async fn a_day_has_the_zone_that_it_begins_in() {
        for (from, to, last) in [
            // Its midnight is before noon UTC of the day before: the 11th is over there at noon.
            ("Pacific/Auckland", "UTC", 11),
            ("Pacific/Kiritimati", "America/Los_Angeles", 11),
            ("Europe/Berlin", "UTC", 10),
            ("UTC", "Pacific/Auckland", 10),
            ("America/Los_Angeles", "Asia/Kolkata", 10),
            ("Pacific/Pago_Pago", "Pacific/Kiritimati", 10),
        ] {
            let site = moved(from, to).await;
            let name = |day| zone_on(&site, date(2026, 3, day)).iana_name().map(str::to_owned);
            for day in [1, last - 1, last] {
                assert_eq!(name(day).as_deref(), Some(from), "{from} to {to}: {day}");
            }
            for day in [last + 1, last + 2] {
                assert_eq!(name(day).as_deref(), Some(to), "{from} to {to}: {day}");
            }
        }
    }
}
