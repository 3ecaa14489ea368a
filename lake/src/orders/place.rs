//! Where orders lie, and their ids.
//!
//! | object | what |
//! | --- | --- |
//! | `orders/<id>.json` | an order as given; of a person: the ids asked for |
//! | `orders/<id>-closed.json` | of a person: everything that the stored hits show to be theirs |
//! | `orders/progress/<id>.json` | how far it is carried out |
//! | `orders/final/<id>.json` | order and receipt, once no copy is left |

use jiff::civil::Date;
use object_store::path::Path;

/// Prefix of orders.
pub const ORDERS: &str = "orders";
pub(super) const FINAL: &str = "orders/final";
pub(super) const PROGRESS: &str = "orders/progress";
pub(super) const CLOSED: &str = "-closed";
pub(super) const RETENTION: &str = "-retention-";

/// A new id: of the site, in the order of time.
#[must_use]
pub fn new_id(site: i32, now_ms: i64, random: u128) -> String {
    format!("{site}-{now_ms:012x}-{:016x}", random >> 64)
}

/// The id of the order that keeps a site's retention up to a date.
#[must_use]
pub fn retention_id(site: i32, before: Date) -> String {
    format!("{site}{RETENTION}{before}")
}

/// The site in an id; none where the text is no id.
#[must_use]
pub fn site_of(id: &str) -> Option<i32> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let (site, rest) = id.split_once('-')?;
    (!rest.is_empty() && id.len() <= 64 && id.bytes().all(known)).then(|| site.parse().ok())?
}

pub(super) fn open_path(id: &str) -> Path {
    Path::from(format!("{ORDERS}/{id}.json"))
}

pub(super) fn closed_path(id: &str) -> Path {
    open_path(&format!("{id}{CLOSED}"))
}

pub(super) fn final_path(id: &str) -> Path {
    Path::from(format!("{FINAL}/{id}.json"))
}

pub(super) fn progress_path(id: &str) -> Path {
    Path::from(format!("{PROGRESS}/{id}.json"))
}

pub(super) fn id_in(path: &Path) -> Option<&str> {
    path.filename()?.strip_suffix(".json").filter(|id| site_of(id).is_some())
}

pub(super) fn is_final(path: &Path) -> bool {
    path.as_ref().starts_with(FINAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_their_site_and_nothing_else_is_one() {
        assert_eq!(site_of(&new_id(i32::MAX, i64::MAX, u128::MAX)), Some(i32::MAX));
        for wrong in ["", "1", "1-", "x-1", "1-../x", "1-a/b", &format!("1-{}", "a".repeat(63))] {
            assert_eq!(site_of(wrong), None, "{wrong}");
        }
        assert_eq!(site_of(&format!("1-{}", "a".repeat(62))), Some(1));
    }
}
