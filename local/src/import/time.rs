//! Times as logs write them, to Unix milliseconds.

use jiff::civil::DateTime;
use jiff::tz::Offset;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `17/May/2015:10:05:03 +0000`, Apache's and nginx's own form.
pub(super) fn common(text: &str) -> Option<i64> {
    let (local, zone) = text.split_once(' ').unwrap_or((text, "+0000"));
    let mut parts = local.split(['/', ':']);
    let day = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let month = i8::try_from(month).ok()?.checked_add(1)?;
    let year = parts.next()?.parse().ok()?;
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    // A leap second is the last second of its minute, as jiff reads it elsewhere.
    let second = parts.next()?.parse::<i8>().ok()?;
    let second = if second == 60 { 59 } else { second };
    if parts.next().is_some() {
        return None;
    }
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let time = offset(zone)?.to_timestamp(local).ok()?;
    Some(time.as_millisecond())
}

/// `+0130`, `-07:00` or `Z`.
fn offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let minutes = digits.get(2..)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let hours: u8 = digits.get(..2)?.parse().ok()?;
    let minutes: u8 = minutes.parse().ok()?;
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    Offset::from_seconds(sign * seconds).ok()
}

/// ISO 8601 with an offset; without one, UTC.
pub(super) fn iso(text: &str) -> Option<i64> {
    let time = match text.parse::<jiff::Timestamp>() {
        Ok(time) => time,
        Err(_) => Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    Some(time.as_millisecond())
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970: the size tells which.
pub(super) fn epoch(number: f64) -> Option<i64> {
    let ms = match number {
        n if !n.is_finite() || n < 0.0 => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    // Back through jiff, which refuses what lies beyond the year 9999.
    let seconds = std::time::Duration::try_from_secs_f64(ms / 1e3).ok()?;
    let ms = i64::try_from((seconds + std::time::Duration::from_micros(500)).as_millis()).ok()?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.as_millisecond())
}

/// Any of the above.
pub(super) fn any(text: &str) -> Option<i64> {
    iso(text).or_else(|| common(text)).or_else(|| text.parse().ok().and_then(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_every_form() {
        for text in [
            "17/May/2015:12:05:03 +0200",
            "17/May/2015:10:05:03",
            "17/May/2015:08:35:03 -01:30",
            "2015-05-17T10:05:03Z",
            "2015-05-17 10:05:03",
            "2015-05-17T12:05:03+02:00",
            "1431857103",
            "1431857103.000",
            "1431857103000",
            "1431857103000000",
            "1431857103000000000",
        ] {
            assert_eq!(any(text), Some(1_431_857_103_000), "{text}");
        }
        assert_eq!(any("1431857103.524"), Some(1_431_857_103_524));
        assert_eq!(common("30/Jun/2015:23:59:60 +0000"), common("30/Jun/2015:23:59:59 +0000"));
    }

    #[test]
    fn no_time() {
        for text in
            ["", "-", "foo", "31/Feb/2015:10:05:03 +0000", "1/May/2015", "NaN", "-5", "1e300"]
        {
            assert_eq!(any(text), None, "{text}");
        }
        assert_eq!(common("17/May/2015:10:05:03 +99999999999"), None);
    }
}
