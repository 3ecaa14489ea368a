//! Step title: the levels of a title tidied as Matomo keeps them, where the site splits titles.

use lake::site::Site;

use crate::draft::Draft;

pub(super) fn tidy(draft: &mut Draft, site: &Site) {
    let delimiter = site.settings.title_delimiter.as_str();
    if !delimiter.is_empty() {
        draft.hit.title = draft.hit.title.take().and_then(|title| levels(&title, delimiter));
    }
}

/// Each level trimmed, empty ones left out.
fn levels(title: &str, delimiter: &str) -> Option<String> {
    let levels: Vec<&str> =
        title.split(delimiter).map(str::trim).filter(|level| !level.is_empty()).collect();
    (!levels.is_empty()).then(|| levels.join(delimiter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_trimmed_and_empty_ones_left_out() {
        assert_eq!(levels("a / b<>  /c", "/").as_deref(), Some("a/b<>/c"));
        assert_eq!(levels("registered as URL /", "/").as_deref(), Some("registered as URL"));
        assert_eq!(levels("a - b", " - ").as_deref(), Some("a - b"));
        assert_eq!(levels(" / ", "/"), None);
    }
}
