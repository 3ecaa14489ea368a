//! The form of a user agent that the table keeps: versions cut to the major, at most 256 bytes.
//!
//! Bots are judged by this form alone, by the lists and by a site's own rules, so that newer ones
//! give history the marks that they would have given at arrival.

use std::sync::LazyLock;

use regex::Regex;

use crate::limits::MAX_STORED_USER_AGENT_BYTES;

/// A major version, and what follows it: `5.0.1`, `10_15_7`.
#[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test")]
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([0-9]+)(?:[._][0-9]+)+").expect("the pattern of versions"));

/// The user agent as the table keeps it; a second time changes nothing.
#[must_use]
pub fn stored(user_agent: &str) -> String {
    let mut cut = VERSION.replace_all(user_agent, "$1").into_owned();
    cut.truncate(cut.floor_char_boundary(MAX_STORED_USER_AGENT_BYTES));
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_cut_to_the_major() {
        let cases = [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/120.0.6099.130",
                "Mozilla/5 (Macintosh; Intel Mac OS X 10) Chrome/120",
            ),
            ("rv:1.8.1.21pre", "rv:1pre"),
            ("see www2.example.com", "see www2.example.com"),
            ("Win64; x64", "Win64; x64"),
        ];
        for (user_agent, kept) in cases {
            assert_eq!(stored(user_agent), kept);
        }
    }

    #[test]
    fn at_most_256_bytes_are_kept() {
        for (length, kept) in [(255, 255), (256, 256), (257, 256)] {
            assert_eq!(stored(&"x".repeat(length)).len(), kept);
        }
        assert_eq!(stored(&format!("{}é", "x".repeat(255))).len(), 255);
    }

    proptest! {
        #[test]
        fn a_second_time_changes_nothing(user_agent in "([0-9._]|[A-Za-z ()/;é]){0,300}") {
            let once = stored(&user_agent);
            prop_assert_eq!(stored(&once), once);
        }
    }
}
