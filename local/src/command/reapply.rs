//! `hitlake reapply`: history worked out anew by this program's list of bots and the sites' rules,
//! or a site's goals.

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
        ReapplyCommand::Bots { site: None } => Anew::Bots,
        ReapplyCommand::Bots { site: Some(site) } => Anew::BotsOf(known(place, *site).await?),
        ReapplyCommand::Goals { site } => Anew::Goals(known(place, *site).await?),
    };
    let answer = place.merge().reapply(anew).await?;
    match anew {
        _ if !answer.dates.is_empty() => super::merge::print(&answer),
        Anew::Bots => println!(
            "history is marked by this program's list; if a site's own rules have changed: hitlake reapply bots --site ID"
        ),
        _ => println!("history is up to date"),
    }
    Ok(())
}

/// The site, if its settings can be read.
async fn known(place: &Place, site: i32) -> Result<i32, Usage> {
    let read = lake::site::read_site(&place.store, site).await;
    read.map(|_| site).map_err(|error| Usage(error.to_string()))
}
