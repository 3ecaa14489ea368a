//! `hitlake token`: add, list, revoke.

use jiff::civil::Date;
use lake::token::{Bounds, add_token, last_used, list_tokens, revoke_token};

use crate::cli::{AccessArg, TokenCommand};
use crate::error::Usage;
use crate::place::Place;

/// Letters of the SHA-256 that `list` shows and `revoke` takes.
const SHOWN: usize = 12;

/// Does what the command says.
///
/// # Errors
///
/// When the sites are no ids or no such token is there (exit code 2), or the store fails.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Add { access, sites, expires } => {
            let access = (*access != AccessArg::Write, *access != AccessArg::Read);
            let token = add_token(
                &place.store,
                place.random.as_ref(),
                place.clock.now_ms(),
                access,
                Bounds { sites: ids(sites)?, expires: *expires },
            )
            .await?;
            println!("{token}");
        }
        TokenCommand::List => {
            let uses = last_used(&place.store).await?;
            for token in list_tokens(&place.store).await? {
                let used = uses.get(&token.sha256).copied();
                let access = match (token.read, token.write) {
                    (true, true) => "read-write",
                    (false, true) => "write",
                    _ => "read",
                };
                let sites = token.sites.map_or_else(
                    || "all".to_owned(),
                    |sites| sites.iter().map(i32::to_string).collect::<Vec<_>>().join(","),
                );
                let sha256 = token.sha256.get(..SHOWN).unwrap_or_default();
                let until = shown(token.expires, "no end");
                println!("{sha256}\t{access}\t{sites}\t{until}\t{}", shown(used, "never used"));
            }
        }
        TokenCommand::Revoke { token } => {
            if revoke_token(&place.store, token).await? == 0 {
                return Err(Usage(
                    "no such token; `hitlake token list` shows those there are".to_owned(),
                )
                .into());
            }
        }
    }
    Ok(())
}

fn shown(date: Option<Date>, none: &str) -> String {
    date.map_or_else(|| none.to_owned(), |date| date.to_string())
}

fn ids(sites: &str) -> anyhow::Result<Option<Vec<i32>>> {
    if sites == "all" {
        return Ok(None);
    }
    let ids: Result<Vec<i32>, _> = sites.split(',').map(|id| id.trim().parse()).collect();
    ids.map(Some).map_err(|_| Usage(format!("--sites {sites}: give ids such as 1,2 or all")).into())
}
