//! A person as the rows show them: the oracle of what an order of erasure covers. Shares no code with
//! the erasure.

use std::collections::BTreeSet;

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use lake::hit::Id64;
use lake::orders::{Order, Whom};

use super::{BEFORE_MS, SITE};

/// The person asked for, and everybody whom the visits show to be the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    pub(super) ids: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
}

pub(super) fn texts(rows: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let texts = rows.column_by_name(column).unwrap();
    texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

pub(super) fn sites(rows: &RecordBatch) -> Vec<i32> {
    let column = rows.column_by_name("site").unwrap();
    column.as_primitive::<arrow::datatypes::Int32Type>().values().to_vec()
}

/// By row: client's id, else fingerprint.
pub(super) fn ids(rows: &RecordBatch) -> Vec<String> {
    let prints = texts(rows, "fingerprint").into_iter();
    let clients = texts(rows, "client_id").into_iter();
    clients.zip(prints).map(|(client, print)| client.or(print).unwrap()).collect()
}

/// By row: its visit. A ping that extends none is by itself.
pub(super) fn visits(rows: &RecordBatch) -> Vec<String> {
    let named = texts(rows, "visit_id").into_iter().enumerate();
    named.map(|(row, visit)| visit.unwrap_or_else(|| format!("row {row}"))).collect()
}

impl Person {
    pub(super) fn user(user: &str) -> Self {
        Self { users: BTreeSet::from([user.to_owned()]), ..Self::default() }
    }

    pub(super) fn order(&self) -> Order {
        let ids = self.ids.iter().map(|id| Id64::parse(id).unwrap()).collect();
        let whom = Whom::Person { ids, user_ids: self.users.clone() };
        Order { site: SITE, whom, before_ms: BEFORE_MS, given_ms: BEFORE_MS }
    }

    pub(super) fn has(&self, id: &str, user: Option<&String>) -> bool {
        self.ids.contains(id) || user.is_some_and(|user| self.users.contains(user))
    }

    /// By the rows of the table, over and over until nothing changes.
    pub(super) fn widened(mut self, table: &RecordBatch) -> Self {
        let (sites, ids) = (sites(table), ids(table));
        let (visits, users) = (visits(table), texts(table, "user_id"));
        let visitors = texts(table, "visitor_id");
        let of_users: BTreeSet<&String> = (0..table.num_rows())
            .filter(|row| sites[*row] == SITE)
            .filter(|row| users[*row].as_ref().is_some_and(|user| !self.users.contains(user)))
            .map(|row| &ids[row])
            .collect();
        loop {
            let before = self.ids.len();
            let theirs: BTreeSet<&String> = (0..table.num_rows())
                .filter(|row| {
                    let known = self.has(&ids[*row], users[*row].as_ref());
                    let visitor = visitors[*row].as_ref();
                    sites[*row] == SITE
                        && (known || visitor.is_some_and(|it| self.ids.contains(it)))
                })
                .map(|row| &visits[row])
                .collect();
            for row in 0..table.num_rows() {
                if theirs.contains(&visits[row]) {
                    if users[row].as_ref().is_none_or(|user| self.users.contains(user)) {
                        self.ids.insert(ids[row].clone());
                    }
                    self.ids.extend(visitors[row].clone().filter(|id| !of_users.contains(id)));
                }
            }
            if self.ids.len() == before {
                return self;
            }
        }
    }

    /// With whoever logged in in a visit of the visitor asked for.
    pub(super) fn with_users(mut self, table: &RecordBatch) -> Self {
        let (sites, ids, visits) = (sites(table), ids(table), visits(table));
        let (users, visitors) = (texts(table, "user_id"), texts(table, "visitor_id"));
        let theirs: BTreeSet<&String> = (0..table.num_rows())
            .filter(|row| sites[*row] == SITE)
            .filter(|row| {
                let visitor = visitors[*row].as_ref();
                self.ids.contains(&ids[*row]) || visitor.is_some_and(|it| self.ids.contains(it))
            })
            .map(|row| &visits[row])
            .collect();
        let of_visits = (0..table.num_rows()).filter(|row| theirs.contains(&visits[*row]));
        self.users = of_visits.filter_map(|row| users[row].clone()).collect();
        self
    }

    /// The rows of everybody else.
    pub(super) fn without(&self, rows: &RecordBatch) -> RecordBatch {
        let plain = crate::world::plain(rows);
        let (sites, ids, users) = (sites(&plain), ids(&plain), texts(&plain, "user_id"));
        let stays: BooleanArray = (0..rows.num_rows())
            .map(|row| Some(sites[row] != SITE || !self.has(&ids[row], users[row].as_ref())))
            .collect();
        filter_record_batch(rows, &stays).unwrap()
    }
}
