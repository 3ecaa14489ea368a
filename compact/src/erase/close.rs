//! Closes the orders of persons: from the ids asked for to all that the stored hits show to be
//! theirs.
//!
//! Visits tell: whoever is in a visit with a known id is the same person, with all that belongs to
//! that id, and so on. What waits is merged first, so that the table has all visits. It ends at
//! another user: a hit that carries another user's id is that user's, whoever shares the browser.

use std::collections::BTreeSet;

use anyhow::Context as _;
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use lake::hit::Id64;
use lake::layout;
use lake::limits::MAX_PERSON_IDS;
use lake::orders::{Entry, Order, Receipt, State, Whom, close, put_progress};

use super::Erase;
use super::columns::{Step, each};

const COLUMNS: [&str; 6] =
    ["site", "visit_id", "visitor_id", "fingerprint", "client_id", "user_id"];

impl Erase {
    /// Closes every order of a person that is open; whether there is any order to carry out.
    ///
    /// # Errors
    ///
    /// When what waits cannot be merged, an object cannot be read, or an order has too many ids.
    pub async fn close(&self) -> anyhow::Result<bool> {
        let mut asked = self.merge.orders.open().await.context("reading the orders")?;
        let any = !asked.is_empty();
        asked.retain(|entry| !entry.is_closed);
        let mut persons: Vec<Person> = asked.iter().filter_map(Person::of).collect();
        if persons.is_empty() {
            return Ok(any);
        }
        self.merge.merge_all().await.context("merging what waits, to know all visits")?;
        self.widen(&mut persons).await?;
        let mut done = Ok(any);
        for person in persons {
            let id = person.entry.id.clone();
            if person.ids.len() > MAX_PERSON_IDS {
                let failed = Receipt { state: State::Failed, ..Receipt::default() };
                put_progress(self.store(), &id, &failed).await?;
                done = Err(anyhow::anyhow!(
                    "erasure {id}: its visits show more than {MAX_PERSON_IDS} ids, so the id asked for is \
                     none of one person; delete orders/{id}.json to withdraw it"
                ));
                continue;
            }
            let order = person.closed(self.merge.clock.now_ms());
            close(self.store(), &id, &order).await?;
        }
        done
    }

    /// Reads the table until nothing new is found.
    async fn widen(&self, persons: &mut [Person]) -> anyhow::Result<()> {
        let sites: BTreeSet<i32> = persons.iter().map(|person| person.entry.order.site).collect();
        let dates = self.table_dates().await?;
        loop {
            persons.iter_mut().for_each(Person::begin);
            for &dt in &dates {
                for (part, facts) in (0..).zip(self.merge.table(dt).await?) {
                    let has = |site| facts.merged.as_ref().is_none_or(|merged| merged.has(site));
                    if !sites.iter().copied().any(has) {
                        continue;
                    }
                    let path = layout::table_object(dt, part);
                    let mut visits = Visits::default();
                    each(self.store(), &path, (&COLUMNS, &sites), |step| match step {
                        Step::Begin => {
                            visits = Visits::default();
                            Ok(())
                        }
                        Step::Rows(batch) => visits.read(batch, persons),
                    })
                    .await?;
                    visits.end(persons);
                }
            }
            // All of them once more while one grows: the table is read for all at once anyway.
            let grown = persons.iter_mut().filter_map(|person| person.has_grown().then_some(()));
            if grown.count() == 0 {
                return Ok(());
            }
        }
    }
}

/// Whose ids are looked for.
#[derive(Debug)]
struct Person {
    entry: Entry,
    asked: BTreeSet<Id64>,
    ids: BTreeSet<Id64>,
    users: BTreeSet<String>,
    /// Asked for by a visitor's id: who logged in there is that person.
    adopts_users: bool,
    /// Visitors of their visits that may be another user.
    candidates: BTreeSet<Id64>,
    /// Those that were there when the table began to be read.
    tested: BTreeSet<Id64>,
    refused: BTreeSet<Id64>,
    size: usize,
}

impl Person {
    fn of(entry: &Entry) -> Option<Self> {
        let Whom::Person { ids, user_ids } = &entry.order.whom else { return None };
        Some(Self {
            entry: entry.clone(),
            asked: ids.clone(),
            ids: ids.clone(),
            users: user_ids.clone(),
            adopts_users: user_ids.is_empty(),
            candidates: BTreeSet::new(),
            tested: BTreeSet::new(),
            refused: BTreeSet::new(),
            size: 0,
        })
    }

    fn closed(self, now_ms: i64) -> Order {
        let whom = Whom::Person { ids: self.ids, user_ids: self.users };
        let asked = self.entry.order;
        Order { site: asked.site, whom, before_ms: asked.before_ms, given_ms: now_ms }
    }

    fn begin(&mut self) {
        self.tested = self.candidates.clone();
        self.size = self.known();
    }

    fn known(&self) -> usize {
        self.ids.len() + self.users.len() + self.candidates.len()
    }

    /// Takes over the visitors that no other user has, once all rows were seen.
    fn has_grown(&mut self) -> bool {
        let tested = std::mem::take(&mut self.tested);
        self.ids.extend(tested.difference(&self.refused).copied());
        self.known() > self.size && self.ids.len() <= MAX_PERSON_IDS
    }

    fn see(&mut self, visit: &Visit) {
        // Who has too many ids is nobody, and is refused; until then memory stays bounded.
        if visit.site != self.entry.order.site || self.ids.len() > MAX_PERSON_IDS {
            return;
        }
        for row in &visit.rows {
            if row.user.as_ref().is_some_and(|user| !self.users.contains(user))
                && self.candidates.contains(&row.id)
            {
                self.refused.insert(row.id);
            }
        }
        let of = |ids: &BTreeSet<Id64>, row: &Row| ids.contains(&row.id);
        let visitor_in = |ids: &BTreeSet<Id64>| visit.visitor.is_some_and(|id| ids.contains(&id));
        if self.adopts_users
            && (visitor_in(&self.asked) || visit.rows.iter().any(|row| of(&self.asked, row)))
        {
            self.users.extend(visit.rows.iter().filter_map(|row| row.user.clone()));
        }
        let is_theirs = |row: &Row| {
            of(&self.ids, row) || row.user.as_ref().is_some_and(|user| self.users.contains(user))
        };
        if !visitor_in(&self.ids) && !visit.rows.iter().any(is_theirs) {
            return;
        }
        for row in &visit.rows {
            if row.user.as_ref().is_none_or(|user| self.users.contains(user)) {
                self.ids.insert(row.id);
            }
        }
        self.candidates.extend(visit.visitor.filter(|id| !self.ids.contains(id)));
    }
}

/// One visit's rows, as far as they tell whose it is.
#[derive(Debug, Default)]
struct Visit {
    site: i32,
    visit: Option<Id64>,
    visitor: Option<Id64>,
    rows: BTreeSet<Row>,
}

/// What one hit tells.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// The client's id, else the fingerprint.
    id: Id64,
    user: Option<String>,
}

/// The visits of a table object, whose rows stand together.
#[derive(Debug, Default)]
struct Visits {
    open: Visit,
}

impl Visits {
    fn read(&mut self, batch: &RecordBatch, persons: &mut [Person]) -> anyhow::Result<()> {
        let sites = batch.column_by_name("site").and_then(|it| it.as_primitive_opt::<Int32Type>());
        let sites = sites.context("column site is missing")?.values();
        let [visits, visitors, fingerprints, clients] = [
            ids(batch, "visit_id")?,
            ids(batch, "visitor_id")?,
            ids(batch, "fingerprint")?,
            ids(batch, "client_id")?,
        ];
        let users = batch.column_by_name("user_id").context("column user_id is missing")?;
        let users =
            users.as_dictionary_opt::<Int32Type>().context("column user_id has no codes")?;
        let names = users.values().as_string_opt::<i32>().context("column user_id is no text")?;
        for (row, &site) in sites.iter().enumerate() {
            let visit = id(visits, row);
            if visit.is_none() || (self.open.site, self.open.visit) != (site, visit) {
                self.end(persons);
                self.open = Visit { site, visit, visitor: id(visitors, row), ..Visit::default() };
            }
            let Some(id) = id(clients, row).or_else(|| id(fingerprints, row)) else { continue };
            let user = users.key(row).map(|key| names.value(key).to_owned());
            self.open.rows.insert(Row { id, user });
        }
        Ok(())
    }

    /// The open visit is over.
    fn end(&mut self, persons: &mut [Person]) {
        let visit = std::mem::take(&mut self.open);
        for person in persons {
            person.see(&visit);
        }
    }
}

fn ids<'a>(batch: &'a RecordBatch, name: &str) -> anyhow::Result<&'a StringArray> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.with_context(|| format!("column {name} is missing"))
}

fn id(ids: &StringArray, row: usize) -> Option<Id64> {
    ids.is_valid(row).then(|| Id64::parse(ids.value(row))).flatten()
}
