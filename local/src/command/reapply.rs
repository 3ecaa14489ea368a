//! `hitlake reapply`: history worked out anew by this program's list of bots, or a site's goals.

use compact::merge::Anew;

use crate::cli::ReapplyCommand;
use crate::error::Usage;
use crate::place::Place;

/// Does it, date by date; run again after a failure, it goes on.
///
/// # Errors
///
/// When the site is unknown (exit code 2), or a date could not be rewritten.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, command: &ReapplyCommand) -> anyhow::Result<()> {
    let anew = match command {
        ReapplyCommand::Bots => Anew::Bots,
        ReapplyCommand::Goals { site } => {
            let known = lake::site::read_site(&place.store, *site).await;
            known.map_err(|error| Usage(error.to_string()))?;
            Anew::Goals(*site)
        }
    };
    let answer = place.merge().reapply(anew).await?;
    if answer.dates.is_empty() {
        println!("history is up to date");
    } else {
        super::merge::print(&answer);
    }
    Ok(())
}
