//! `hitlake site`: put, list, show, remove.

use std::io::Read as _;

use anyhow::Context as _;
use lake::site::{SiteError, SiteSettings, changes, list_sites, put_site, read_site, remove_site};

use crate::cli::SiteCommand;
use crate::error::Usage;
use crate::place::Place;

/// Does what the command says.
///
/// # Errors
///
/// When settings are refused or a site is unknown (exit code 2), or the store fails.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, command: &SiteCommand) -> anyhow::Result<()> {
    let done = match command {
        SiteCommand::Put { file } => {
            let settings = SiteSettings::parse(&read(file)?).map_err(usage)?;
            let has_hits = !place.merge().is_empty().await?;
            let old = read_site(&place.store, settings.id).await;
            let put = put_site(&place.store, &settings, place.clock.now_ms(), has_hits).await;
            if let (Ok(old), Ok(())) = (old, &put) {
                for (name, said) in changes(&old.settings, &settings, has_hits) {
                    println!("{name}: {said}");
                }
            }
            put
        }
        SiteCommand::List => {
            for id in list_sites(&place.store).await? {
                let site = read_site(&place.store, id).await?;
                println!("{id}\t{}\t{}", site.settings.name, site.settings.timezone);
            }
            Ok(())
        }
        SiteCommand::Show { id } => match read_site(&place.store, *id).await {
            Ok(site) => {
                println!("{}", serde_json::to_string_pretty(&site.settings)?);
                Ok(())
            }
            Err(error) => Err(error),
        },
        SiteCommand::Remove { id } => remove_site(&place.store, *id).await,
    };
    done.map_err(usage)
}

fn usage(error: SiteError) -> anyhow::Error {
    match error {
        SiteError::Refused(_) | SiteError::Unknown(_) => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

fn read(file: &std::path::Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}
