//! `hitlake status`: what waits, which dates there are, how large they are.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::place::Place;

/// Prints it.
///
/// # Errors
///
/// When the store cannot be read.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place) -> anyhow::Result<()> {
    if let Some(waiting) = place.entry().await?.waiting().await? {
        println!("records on the stream: {}", waiting.records);
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "date",
        "table bytes",
        "last merge",
        "objects to merge",
        "their bytes",
    ]);
    for date in place.merge().statuses().await? {
        let merged = date.merged_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        table.add_row([
            date.dt.to_string(),
            date.table_bytes.to_string(),
            merged.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}")),
            date.waiting_objects.to_string(),
            date.waiting_bytes.to_string(),
        ]);
    }
    println!("{table}");
    Ok(())
}
