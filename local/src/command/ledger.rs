//! `hitlake ledger`: what became of every hit, by hour of receipt.

use std::io::IsTerminal as _;

use anyhow::Context as _;

use super::query;
use crate::cli::LedgerArgs;
use crate::place::Place;

/// Asks and prints.
///
/// # Errors
///
/// When the site is unknown or a date is wrong (exit code 2), or the store cannot be read.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, args: &LedgerArgs) -> anyhow::Result<()> {
    let dates = [("from", args.from.as_deref()), ("to", args.to.as_deref())];
    let dates: Vec<(&str, &str)> =
        dates.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let path = format!("/v1/sites/{}/ledger", args.site);
    let text = query::get(place, path, query::encode(&dates)).await?;
    if std::io::stdout().is_terminal() {
        println!("{}", query::table(&serde_json::from_str(&text).context("reading the answer")?));
    } else {
        println!("{text}");
    }
    Ok(())
}
