//! A question of several sites as SQL.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Asked;
use super::zones::zone_on;
use crate::plan::Plan;
use crate::question::{Question, Refused};
use crate::sql::{self, OfSite, Unsaid};

/// A plan, and the partitions that it reads.
type Planned = (Arc<Plan>, Vec<Date>);

/// The SQL of a question, given the plans of its sites and those of the dates that it is compared
/// with; within it, why it cannot be said so.
pub(super) fn sql(
    asked: &[Asked],
    plans: &[Planned],
    earlier: &[Planned],
) -> Result<Result<String, Unsaid>, Refused> {
    let compared = asked.iter().map(|asked| asked.question.compared());
    let compared: Vec<Question> =
        compared.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let now = asked.iter().map(|asked| (asked, &asked.question)).zip(plans).map(of_site);
    let then = asked.iter().zip(&compared).zip(earlier).map(of_site);
    Ok(sql::of(&now.collect::<Vec<_>>(), &then.collect::<Vec<_>>()))
}

fn of_site<'a>(
    ((asked, question), (plan, partitions)): ((&'a Asked, &'a Question), &'a Planned),
) -> OfSite<'a> {
    OfSite { question, plan, partitions, zone: zone(asked, question) }
}

/// The zone of hours; none where the site's own was another on some of the dates or beside them.
fn zone(asked: &Asked, question: &Question) -> Option<TimeZone> {
    if let Some(zone) = &question.tz {
        return Some(zone.clone());
    }
    let first = question.from.yesterday().unwrap_or(question.from);
    let last = question.to.tomorrow().unwrap_or(question.to);
    let zone = zone_on(&asked.site, first);
    let mut days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
    days.all(|day| zone_on(&asked.site, day) == zone).then_some(zone)
}
