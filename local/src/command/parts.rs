//! `hitlake parts`: into how many parts dates are divided, and another number for dates to come.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use jiff::Span;
use jiff::civil::Date;
use lake::clock::utc_date;
use lake::layout::{Parts, PartsError, PartsFrom};
use lake::limits::PARTS_AHEAD_DAYS;

use crate::cli::PartsArgs;
use crate::error::Usage;
use crate::place::Place;

/// Makes the change that was asked for, if any, and prints what holds.
///
/// # Errors
///
/// When the number or the date is not possible (exit code 2), or the store cannot be used.
pub async fn run(place: &Place, args: &PartsArgs) -> anyhow::Result<()> {
    let parts = match args.parts {
        Some(parts) => change(place, parts, args.from).await?,
        None => Parts::read(place.store.as_ref()).await?,
    };
    print(&parts);
    Ok(())
}

async fn change(place: &Place, parts: u16, from: Option<Date>) -> anyhow::Result<Parts> {
    let today = utc_date(place.clock.now_ms());
    let from = from.unwrap_or(today.saturating_add(Span::new().days(PARTS_AHEAD_DAYS)));
    let put = Parts::put(place.store.as_ref(), today, PartsFrom { from, parts }).await;
    put.map_err(|error| match error {
        PartsError::Json(error) => error.into(),
        error => Usage(error.to_string()).into(),
    })
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(parts: &Parts) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["dates from", "parts"]);
    table.add_row(["the beginning".to_owned(), "1".to_owned()]);
    for PartsFrom { from, parts } in &parts.parts {
        table.add_row([from.to_string(), parts.to_string()]);
    }
    println!("{table}");
}
