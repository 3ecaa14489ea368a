//! Which sites a question is about.

use std::collections::BTreeSet;

use lake::limits::MAX_QUESTION_SITES;

use crate::handler::{Failed, NO_SITE};
use crate::question::Refused;

/// The sites of `sites=1,2`; none for `sites=all`.
pub(crate) fn sites(text: Option<&str>) -> Result<Option<Vec<i32>>, Refused> {
    let text = text.unwrap_or_default();
    if text == "all" {
        return Ok(None);
    }
    let id = |id: &str| id.trim().parse().ok().filter(|id: &i32| *id > 0);
    let ids: Option<BTreeSet<i32>> = text.split(',').map(id).collect();
    let ids = ids.ok_or_else(|| {
        Refused::new("sites", text, "sites must be ids of sites such as 1,2, or all")
    })?;
    within_limit(ids.len(), text)?;
    Ok(Some(ids.into_iter().collect()))
}

/// Of the ids of all sites those that `covers` allows.
pub(crate) fn of_all(
    mut ids: Vec<i32>,
    covers: &(dyn Fn(i32) -> bool + Sync),
) -> Result<Vec<i32>, Failed> {
    ids.retain(|id| covers(*id));
    within_limit(ids.len(), "all")?;
    if ids.is_empty() { Err(NO_SITE) } else { Ok(ids) }
}

fn within_limit(count: usize, text: &str) -> Result<(), Refused> {
    if count <= MAX_QUESTION_SITES {
        return Ok(());
    }
    let detail =
        format!("there are {count} sites; one question takes {MAX_QUESTION_SITES} at most");
    Err(Refused::new("sites", text, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_ids_within_the_limit() {
        assert_eq!(sites(Some("2,1, 2")), Ok(Some(vec![1, 2])));
        assert_eq!(sites(Some("all")), Ok(None));
        for wrong in [None, Some(""), Some("0"), Some("-1"), Some("1,"), Some("1,all"), Some("x")] {
            assert_eq!(sites(wrong).unwrap_err().parameter, "sites", "{wrong:?}");
        }
        let of = |count: usize| {
            sites(Some(&(1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",")))
        };
        assert!(of(MAX_QUESTION_SITES - 1).is_ok() && of(MAX_QUESTION_SITES).is_ok());
        assert!(of(MAX_QUESTION_SITES + 1).is_err());
    }
}
