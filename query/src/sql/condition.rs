//! Values of a row, conditions on them, and filters as SQL over a row whose visit is at hand.
//!
//! What a condition means stands in `lake::filter`; `crate::count::filter` is the same over batches.

use lake::filter::{Condition, Filter, Operator, Reach, Source};
use lake::hit::Kind;
use lake::limits::MAX_SQL_SAME_HIT_GROUPS;

use super::Unsaid;
use super::text::Sql;
use crate::dimension::{Dimension, Origin};

/// All rows of the row's visit.
pub(super) const OF_VISIT: &str = "OVER (PARTITION BY site, dt, visit_id)";
/// What the scan takes for the scheme of a URL, and `www.`; ASCII letters alone have two cases.
const WITHOUT_SCHEME: &str =
    "regexp_replace({}, '^([hH][tT][tT][pP][sS]://)?([hH][tT][tT][pP]://)?([wW][wW][wW][.])?', '')";

/// What values depend on besides the row.
pub(super) struct Values {
    /// Levels of the path in a section.
    pub(super) section_depth: usize,
    /// The local hour of the hit, where it is asked for.
    pub(super) hour: Option<Sql>,
    /// The local day of the week.
    pub(super) weekday: Sql,
}

impl Values {
    /// The value of a dimension; null where the row's kind has none.
    pub(super) fn of_dimension(&self, dimension: &Dimension) -> Sql {
        let value = self.of_origin(dimension.origin);
        of_kinds(dimension.kind.as_slice(), value)
    }

    fn of_origin(&self, origin: Origin) -> Sql {
        match origin {
            Origin::Text(column) | Origin::Number(column) => Sql::of(column),
            Origin::Page => Sql::of("path || coalesce('?' || query, '')"),
            Origin::Section if self.section_depth <= 1 => {
                Sql::of("regexp_extract(path, '^/?[^/]*')")
            }
            Origin::Section => {
                let more = i64::try_from(self.section_depth).unwrap_or(i64::MAX) - 1;
                Sql::fill("regexp_extract(path, '^/?[^/]*(/[^/]*){0,{}}')", &[&Sql::whole(more)])
            }
            Origin::Band(column, bands) => {
                let column = Sql::of(column);
                let case = |(last, name): &(i32, &'static str)| match *last {
                    i32::MAX => {
                        Sql::fill("WHEN {} IS NOT NULL THEN {}", &[&column, &Sql::text(name)])
                    }
                    last => Sql::fill(
                        "WHEN {} <= {} THEN {}",
                        &[&column, &Sql::whole(last.into()), &Sql::text(name)],
                    ),
                };
                Sql::fill("CASE {} END", &[&Sql::join(bands.iter().map(case), " ")])
            }
            Origin::HourOfDay => self.hour.clone().unwrap_or_else(|| Sql::of("NULL")),
            Origin::Weekday => self.weekday.clone(),
            Origin::Site => Sql::of("site"),
        }
    }

    /// The value that a condition compares.
    fn of_condition(&self, condition: &Condition) -> Sql {
        let value = match condition.name.source {
            Source::Dimension => match Dimension::find(condition.name.name) {
                Some(dimension) => self.of_dimension(dimension),
                None => Sql::of("NULL"),
            },
            Source::Text(column) | Source::Id(column) | Source::Number(column) => Sql::of(column),
            Source::Renamed(column, names) => {
                let case = |(ours, theirs): &(&'static str, &'static str)| {
                    Sql::fill("WHEN {} THEN {}", &[&Sql::text(ours), &Sql::text(theirs)])
                };
                let (column, cases) = (Sql::of(column), Sql::join(names.iter().map(case), " "));
                Sql::fill("CASE {} {} ELSE {} END", &[&column, &cases, &column])
            }
            Source::Either(left, right) => {
                Sql::fill("coalesce({}, {})", &[&Sql::of(left), &Sql::of(right)])
            }
            Source::Url(column) => Sql::fill(WITHOUT_SCHEME, &[&Sql::of(column)]),
            Source::UrlOf(host, path) => url(&Sql::of(host), &Sql::of(path), None),
            Source::PageUrl => page_url(),
            Source::ActionUrl => {
                let target = Sql::fill(WITHOUT_SCHEME, &[&Sql::of("target")]);
                Sql::fill(
                    "CASE WHEN kind IN ('download', 'outlink') THEN {} ELSE {} END",
                    &[&target, &page_url()],
                )
            }
            Source::HourOf(column) => Sql::fill("floor({} / 3600E0)", &[&Sql::of(column)]),
            Source::Count(kind) => Sql::fill(
                "count(CASE WHEN kind = {} THEN 1 END) {}",
                &[&Sql::text(kind.name()), &Sql::of(OF_VISIT)],
            ),
            Source::Converted => Sql::fill(
                "max(CASE WHEN is_conversion THEN 1 ELSE 0 END) {}",
                &[&Sql::of(OF_VISIT)],
            ),
        };
        of_kinds(condition.name.kinds, value)
    }

    /// Whether a condition holds of a row, whatever its visit; never null.
    fn of_row(&self, condition: &Condition) -> Sql {
        compared(condition, &self.of_condition(condition))
    }

    /// Whether a condition holds of the row's visit; none where it looks at one hit.
    fn of_visit(&self, condition: &Condition) -> Option<Sql> {
        let over = Sql::of(OF_VISIT);
        let some = |rows: &Sql| Sql::fill("bool_or({}) {}", &[rows, &over]);
        let of_page = |place: &'static str| {
            let page = Sql::fill("{} AND {}", &[&Sql::of(place), &self.of_row(condition)]);
            let nothing = match condition.name.is_number() {
                true => condition.holds_of_number(None),
                false => condition.holds_of_text(None),
            };
            match nothing {
                false => some(&page),
                true => Sql::fill("{} OR NOT {}", &[&some(&page), &some(&Sql::of(place))]),
            }
        };
        let holds = match (condition.reach, condition.name.source) {
            (Reach::Hit | Reach::SameHit, _) => return None,
            (Reach::FirstHit, Source::Count(_) | Source::Converted) => self.of_row(condition),
            (Reach::FirstHit, _) => some(&Sql::fill("is_entry AND {}", &[&self.of_row(condition)])),
            (Reach::FirstPage, _) => of_page("first_page"),
            (Reach::LastPage, _) => of_page("last_page"),
            (Reach::AnyHit, _) if condition.none => {
                Sql::fill("NOT {}", &[&some(&self.of_row(condition))])
            }
            (Reach::AnyHit, _) => some(&self.of_row(condition)),
        };
        Some(Sql::fill("visit_id IS NOT NULL AND coalesce({}, FALSE)", &[&holds]))
    }
}

/// The value of rows of some kinds, where kinds are named; null of others.
fn of_kinds(kinds: &[Kind], value: Sql) -> Sql {
    match kinds {
        [] => value,
        [kind] => Sql::fill("CASE WHEN kind = {} THEN {} END", &[&Sql::text(kind.name()), &value]),
        kinds => Sql::fill("CASE WHEN kind IN ({}) THEN {} END", &[&kind_list(kinds), &value]),
    }
}

/// The names of kinds as a list.
pub(super) fn kind_list(kinds: &[Kind]) -> Sql {
    Sql::join(kinds.iter().map(|kind| Sql::text(kind.name())), ", ")
}

fn page_url() -> Sql {
    url(&Sql::of("host"), &Sql::of("path"), Some("query"))
}

/// Host, path and query as one; null where there is neither host nor path.
fn url(host: &Sql, path: &Sql, query: Option<&'static str>) -> Sql {
    let query = match query {
        Some(query) => Sql::fill(" || coalesce('?' || {}, '')", &[&Sql::of(query)]),
        None => Sql::of(""),
    };
    let bare = Sql::fill(WITHOUT_SCHEME, &[host]);
    Sql::fill(
        "CASE WHEN coalesce({}, {}) IS NOT NULL THEN coalesce({}, '') || coalesce({}, ''){} END",
        &[host, path, &bare, path, &query],
    )
}

/// Whether a condition holds of a value, null included.
fn compared(condition: &Condition, value: &Sql) -> Sql {
    let negative = matches!(condition.operator, Operator::NotEqual | Operator::ContainsNot);
    let of_null = Sql::of(if negative { "TRUE" } else { "FALSE" });
    let test = if condition.name.is_number() {
        let Some(number) = condition.number else {
            return Sql::fill(
                if negative { "coalesce({}, 0) <> 0" } else { "coalesce({}, 0) = 0" },
                &[value],
            );
        };
        ordered(condition.operator, value, &Sql::double(number))
    } else {
        if condition.value.is_empty() {
            return Sql::fill(
                if negative {
                    "coalesce({}, '') NOT IN ('', '0')"
                } else {
                    "coalesce({}, '') IN ('', '0')"
                },
                &[value],
            );
        }
        of_text(condition, &Sql::fill("lower({})", &[value]))
    };
    Sql::fill("coalesce({}, {})", &[&test, &of_null])
}

fn of_text(condition: &Condition, lowered: &Sql) -> Sql {
    let (before, after) = match condition.operator {
        Operator::Contains | Operator::ContainsNot => ("%", "%"),
        Operator::StartsWith => ("", "%"),
        Operator::EndsWith => ("%", ""),
        operator => return ordered(operator, lowered, &Sql::text(&condition.value)),
    };
    let pattern = Sql::pattern(before, &condition.value, after);
    let template = match condition.operator {
        Operator::ContainsNot => "{} NOT LIKE {} ESCAPE '!'",
        _ => "{} LIKE {} ESCAPE '!'",
    };
    Sql::fill(template, &[lowered, &pattern])
}

fn ordered(operator: Operator, left: &Sql, right: &Sql) -> Sql {
    let template = match operator {
        Operator::NotEqual => "{} <> {}",
        Operator::AtLeast => "{} >= {}",
        Operator::Above => "{} > {}",
        Operator::AtMost => "{} <= {}",
        Operator::Below => "{} < {}",
        _ => "{} = {}",
    };
    Sql::fill(template, &[left, right])
}

/// A filter in two steps: what must be known of visits (named, in order), and the condition of a
/// row that has these names.
pub(super) struct Filtered {
    pub(super) of_visits: Vec<Sql>,
    pub(super) of_row: Sql,
}

/// The filter; `known` names stand before its own.
pub(super) fn filtered(filter: &Filter, values: &Values, known: usize) -> Result<Filtered, Unsaid> {
    let mut names = Names { known, of_visits: Vec::new() };
    let mut groups = Vec::new();
    for group in &filter.groups {
        groups.push(Group::of(group, values, &mut names));
    }
    let together = groups.iter().filter(|group| group.same_hit.is_some()).count();
    if together > MAX_SQL_SAME_HIT_GROUPS {
        return Err(Unsaid::ManySameHitGroups(together));
    }
    // Of the groups that one hit can meet: each set of those that it must, because the row and its
    // visit do not; that hit must meet all of the set.
    let mut ways = Vec::new();
    for left_to_hit in 0..1_u32 << together {
        let mut number = 0;
        let (mut by_row, mut by_hit) = (Vec::new(), Vec::new());
        for group in &groups {
            match &group.same_hit {
                Some(same_hit) => {
                    let left = left_to_hit >> number & 1 == 1;
                    number += 1;
                    if left {
                        by_hit.push(same_hit.clone());
                    } else {
                        by_row.extend(Some(group.otherwise()));
                    }
                }
                None => by_row.push(group.otherwise()),
            }
        }
        if !by_hit.is_empty() {
            let hit = Sql::fill(
                "visit_id IS NOT NULL AND bool_or({}) {}",
                &[&Sql::join(by_hit, " AND "), &Sql::of(OF_VISIT)],
            );
            by_row.push(names.name(hit));
        }
        ways.push(Sql::join(by_row, " AND "));
    }
    Ok(Filtered { of_visits: names.of_visits, of_row: either(ways) })
}

struct Names {
    known: usize,
    of_visits: Vec<Sql>,
}

impl Names {
    fn name(&mut self, of_visit: Sql) -> Sql {
        let at = self.of_visits.iter().position(|known| *known == of_visit).unwrap_or_else(|| {
            self.of_visits.push(of_visit);
            self.of_visits.len() - 1
        });
        Sql::numbered("v", self.known + at)
    }
}

/// One of a filter's groups.
struct Group {
    /// By the row itself or its visit.
    otherwise: Vec<Sql>,
    /// By one hit of the visit, which must meet other groups too.
    same_hit: Option<Sql>,
}

impl Group {
    fn of(conditions: &[Condition], values: &Values, names: &mut Names) -> Self {
        let (mut otherwise, mut same_hit) = (Vec::new(), Vec::new());
        for condition in conditions {
            match (condition.reach, values.of_visit(condition)) {
                (_, Some(of_visit)) => otherwise.push(names.name(of_visit)),
                (Reach::SameHit, None) => same_hit.push(values.of_row(condition)),
                (_, None) => otherwise.push(values.of_row(condition)),
            }
        }
        let same_hit = (!same_hit.is_empty()).then(|| either(same_hit));
        Self { otherwise, same_hit }
    }

    fn otherwise(&self) -> Sql {
        if self.otherwise.is_empty() { Sql::of("FALSE") } else { either(self.otherwise.clone()) }
    }
}

/// One of these.
fn either(mut ways: Vec<Sql>) -> Sql {
    match ways.pop() {
        Some(one) if ways.is_empty() => one,
        Some(last) => {
            ways.push(last);
            Sql::fill("({})", &[&Sql::join(ways, " OR ")])
        }
        None => Sql::of("FALSE"),
    }
}
