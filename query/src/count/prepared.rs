//! One batch made ready: what each sum and count asks of a row, with columns looked up and texts
//! compared once a dictionary entry.

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray};
use arrow::error::ArrowError;
use lake::hit::{Id64, Kind};

use super::columns::{Codes, Flags, Numbers, column, texts};
use super::values::Values;
use crate::metric::{Distinct, Hits, Sum};
use crate::plan::Plan;

/// Kinds as a set: one bit each.
pub(super) type Kinds = u16;

pub(super) fn kinds(kinds: &[Kind]) -> Kinds {
    kinds.iter().fold(0, |set, kind| set | bit(*kind))
}

const fn bit(kind: Kind) -> Kinds {
    1 << kind as u16
}

/// Which hits, for one batch.
pub(super) struct HitTest<'a> {
    kinds: Kinds,
    with: Option<(Presence<'a>, bool)>,
}

/// Whether a row has a value in a column; a flag that is not set is none.
enum Presence<'a> {
    Flag(&'a BooleanArray),
    Value(&'a ArrayRef),
}

impl<'a> Presence<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let array = column(batch, name)?;
        Ok(array.as_boolean_opt().map_or(Self::Value(array), Self::Flag))
    }

    fn at(&self, row: usize) -> bool {
        match self {
            Self::Flag(flags) => flags.is_valid(row) && flags.value(row),
            Self::Value(array) => array.is_valid(row),
        }
    }
}

impl<'a> HitTest<'a> {
    fn of(batch: &'a RecordBatch, hits: &Hits) -> Result<Self, ArrowError> {
        let with = match hits.with {
            Some((name, present)) => Some((Presence::of(batch, name)?, present)),
            None => None,
        };
        Ok(Self { kinds: kinds(hits.kinds), with })
    }

    /// Whether the kind decides.
    pub(super) fn of_kinds(&self) -> Option<Kinds> {
        (self.with.is_none() && self.kinds != 0).then_some(self.kinds)
    }

    pub(super) fn holds(&self, kind: Kinds, row: usize) -> bool {
        (self.kinds == 0 || self.kinds & kind != 0)
            && self.with.as_ref().is_none_or(|(presence, wanted)| presence.at(row) == *wanted)
    }
}

/// A sum, for one batch.
pub(super) enum SumOf<'a> {
    Hits(HitTest<'a>),
    Amount(Vec<HitTest<'a>>, Vec<Numbers<'a>>),
    Having(HitTest<'a>, Vec<Numbers<'a>>),
    Unique(HitTest<'a>),
    /// Visits by their first rows.
    AtEntry(Option<Numbers<'a>>),
    Visits(Option<Numbers<'a>>),
    Converted,
    Entries,
    Exits,
    Scrolled(Numbers<'a>, &'a StringArray),
    ScrolledViews,
}

impl<'a> SumOf<'a> {
    fn of(batch: &'a RecordBatch, sum: &Sum, at_entry: bool) -> Result<Self, ArrowError> {
        let numbers = |names: &[&str]| {
            names.iter().map(|name| Numbers::of(batch, name)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match sum {
            Sum::Hits(hits) => Self::Hits(HitTest::of(batch, hits)?),
            Sum::Amount(of, names, _) => {
                let tests = of.iter().map(|hits| HitTest::of(batch, hits));
                Self::Amount(tests.collect::<Result<_, _>>()?, numbers(names)?)
            }
            Sum::Having(hits, names) => Self::Having(HitTest::of(batch, hits)?, numbers(names)?),
            Sum::Unique(hits) => Self::Unique(HitTest::of(batch, hits)?),
            Sum::Visits(name) => {
                let numbers = name.map(|name| Numbers::of(batch, name)).transpose()?;
                if at_entry { Self::AtEntry(numbers) } else { Self::Visits(numbers) }
            }
            Sum::Converted => Self::Converted,
            Sum::Entries => Self::Entries,
            Sum::Exits => Self::Exits,
            Sum::Scrolled => {
                Self::Scrolled(Numbers::of(batch, "scroll_percent")?, texts(batch, "page_view")?)
            }
            Sum::ScrolledViews => Self::ScrolledViews,
        })
    }

    /// What a hit adds; nothing for sums of visits.
    pub(super) fn of_hit(&self, kind: Kinds, row: usize) -> Option<f64> {
        match self {
            Self::Hits(test) => test.holds(kind, row).then_some(1.0),
            Self::Amount(tests, numbers) => {
                let holds = tests.iter().any(|test| test.holds(kind, row));
                let amount = || numbers.iter().filter_map(|number| number.get(row)).sum::<f64>();
                holds.then(amount)
            }
            Self::Having(test, numbers) => {
                let has = || numbers.iter().any(|number| number.get(row).is_some());
                (test.holds(kind, row) && has()).then_some(1.0)
            }
            _ => None,
        }
    }
}

/// Where the ids of a count come from.
enum IdsOf<'a> {
    Visitors(&'a StringArray),
    /// By code of the dictionary.
    Users(Codes<'a>, Vec<Option<u32>>),
}

/// A count of different values, for one batch.
pub(super) struct DistinctOf<'a> {
    ids: IdsOf<'a>,
    with: Option<(Codes<'a>, Vec<Option<bool>>)>,
    pub(super) daily: bool,
}

impl<'a> DistinctOf<'a> {
    fn of(
        batch: &'a RecordBatch,
        distinct: &Distinct,
        users: &mut Values,
    ) -> Result<Self, ArrowError> {
        let ids = if distinct.column == "user_id" {
            let codes = Codes::of(batch, distinct.column)?;
            let numbers = codes.map(|text| text.to_owned());
            let numbers = numbers.into_iter().map(|text| text.map(|text| users.text(&text)));
            let numbers = numbers.collect();
            IdsOf::Users(codes, numbers)
        } else {
            IdsOf::Visitors(texts(batch, distinct.column)?)
        };
        let with = match distinct.with {
            None => None,
            Some((name, wanted)) => {
                let codes = Codes::of(batch, name)?;
                let holds = codes.map(|text| text == wanted);
                Some((codes, holds))
            }
        };
        Ok(Self { ids, with, daily: distinct.daily })
    }

    /// Whether a row has the same text as an earlier one; rows of a visitor stand together.
    pub(super) fn same(&self, row: usize, earlier: usize) -> bool {
        match &self.ids {
            IdsOf::Visitors(texts) if texts.is_valid(row) && texts.is_valid(earlier) => {
                let digits = |row| texts.value(row).as_bytes().first_chunk::<16>();
                digits(row).is_some_and(|of_row| Some(of_row) == digits(earlier))
            }
            _ => false,
        }
    }

    /// The id that a row counts.
    pub(super) fn id(&self, row: usize) -> Option<u64> {
        if let Some((codes, holds)) = &self.with
            && !codes.code(row).and_then(|code| *holds.get(code)?).unwrap_or_default()
        {
            return None;
        }
        match &self.ids {
            IdsOf::Visitors(texts) => {
                texts.is_valid(row).then(|| Id64::parse(texts.value(row))).flatten().map(|id| id.0)
            }
            IdsOf::Users(codes, numbers) => {
                let number = numbers.get(codes.code(row)?)?;
                number.map(u64::from)
            }
        }
    }
}

/// A batch with everything that its rows are asked.
pub(super) struct Prepared<'a> {
    pub(super) sums: Vec<SumOf<'a>>,
    pub(super) distincts: Vec<DistinctOf<'a>>,
    entries: Option<Flags<'a>>,
    conversions: Option<Flags<'a>>,
    kinds: Vec<Kinds>,
    paths: Option<&'a ArrayRef>,
}

impl<'a> Prepared<'a> {
    pub(super) fn of(
        batch: &'a RecordBatch,
        plan: &Plan,
        users: &mut Values,
    ) -> Result<Self, ArrowError> {
        let sums = plan.sums.iter().map(|sum| SumOf::of(batch, sum, plan.visits_at_entry));
        let mut distincts = Vec::new();
        for distinct in &plan.distincts {
            distincts.push(DistinctOf::of(batch, distinct, users)?);
        }
        let kinds = match batch.column_by_name("kind") {
            None => Vec::new(),
            Some(_) => {
                let codes = Codes::of(batch, "kind")?;
                let bits = codes.map(|name| Kind::parse(name).map_or(0, bit));
                let bits: Vec<Kinds> = bits.into_iter().map(Option::unwrap_or_default).collect();
                codes.each(&bits, 0)
            }
        };
        Ok(Self {
            sums: sums.collect::<Result<_, _>>()?,
            distincts,
            entries: batch
                .column_by_name("is_entry")
                .map(|_| Flags::of(batch, "is_entry"))
                .transpose()?,
            conversions: batch
                .column_by_name("is_conversion")
                .map(|_| Flags::of(batch, "is_conversion"))
                .transpose()?,
            kinds,
            paths: batch.column_by_name("path"),
        })
    }

    pub(super) fn kinds(&self) -> &[Kinds] {
        &self.kinds
    }

    pub(super) fn kind(&self, row: usize) -> Kinds {
        self.kinds.get(row).copied().unwrap_or_default()
    }

    /// Whether the row is the first of its visit; none when it belongs to no visit.
    pub(super) fn is_entry(&self, row: usize) -> Option<bool> {
        self.entries.as_ref()?.get(row)
    }

    pub(super) fn is_conversion(&self, row: usize) -> bool {
        self.conversions.as_ref().and_then(|flags| flags.get(row)).unwrap_or_default()
    }

    pub(super) fn has_path(&self, row: usize) -> bool {
        self.paths.is_some_and(|paths| paths.is_valid(row))
    }
}

/// By row: whether it counts.
pub(super) fn selected(
    batch: &RecordBatch,
    plan: &Plan,
    skip: Option<&[bool]>,
) -> Result<Vec<bool>, ArrowError> {
    let mut selected = match skip {
        Some(skip) => skip.iter().map(|skip| !skip).collect(),
        None => vec![true; batch.num_rows()],
    };
    // A row of no visit stays: its values are shown, with no visits.
    if plan.counts_entries_alone() {
        Flags::of(batch, "is_entry")?.drop_unset(&mut selected);
    }
    let mut keep = |name: &str, test: &dyn Fn(Option<&str>) -> bool| {
        let codes = Codes::of(batch, name)?;
        codes.keep(&codes.test(test), &mut selected);
        Ok::<(), ArrowError>(())
    };
    for predicate in &plan.predicates {
        keep(predicate.column, &predicate.test)?;
    }
    if let Some(kind) = plan.kind() {
        keep("kind", &|name| name == Some(kind.name()))?;
    }
    Ok(selected)
}
