//! `hitlake merge`: merge waiting hits into the table now.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use compact::merge::{Answer, Request};

use crate::cli::MergeArgs;
use crate::place::Place;

/// Merges the dates given, or all that have waiting hits.
///
/// # Errors
///
/// When a date could not be merged.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, args: &MergeArgs) -> anyhow::Result<()> {
    place.entry().await?.drain().await?;
    let merge = place.merge();
    let answer = if args.date.is_empty() {
        merge.merge_all().await?
    } else {
        merge.handle(Request::of(args.date.clone())).await?
    };
    if answer.dates.is_empty() {
        println!("nothing waits to be merged");
        return Ok(());
    }
    print(&answer);
    Ok(())
}

/// The dates that were merged.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) fn print(answer: &Answer) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["date", "rows", "bytes", "duplicates"]);
    for merged in &answer.dates {
        table.add_row([
            merged.dt.to_string(),
            merged.rows.to_string(),
            merged.bytes.to_string(),
            merged.duplicates.to_string(),
        ]);
    }
    println!("{table}");
}
