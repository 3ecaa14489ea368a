//! The program `hitlake`: reads the command line, opens the place, runs the command.

use std::process::ExitCode;

use clap::Parser as _;
use hitlake::cli::{Cli, Command};
use hitlake::command::{
    erase, import, ledger, merge, parts, query, reapply, replay, serve, site, status, token,
};
use hitlake::error::{Usage, exit_code};
use hitlake::place::Place;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::WARN.into())
        .with_env_var("HITLAKE_LOG")
        .from_env();
    let done = match filter {
        Ok(filter) => {
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
            run(&cli).await
        }
        Err(error) => Err(Usage(format!(
            "HITLAKE_LOG: {error}; it is a level such as info, or a filter such as query=debug"
        ))
        .into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!("{error:?}");
            say(&error);
            exit_code(&error)
        }
    }
}

#[expect(clippy::print_stderr, reason = "how a command says why it failed")]
fn say(error: &anyhow::Error) {
    eprintln!("hitlake: {error:#}");
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let place = Place::open(&cli.place).await?;
    match &cli.command {
        Command::Serve(args) => serve::run(&place, args).await,
        Command::Site(command) => site::run(&place, command).await,
        Command::Token(command) => token::run(&place, command).await,
        Command::Import(args) => import::run(&place, args).await,
        Command::Merge(args) => merge::run(&place, args).await,
        Command::Parts(args) => parts::run(&place, args).await,
        Command::Query(args) => query::run(&place, args).await,
        Command::Ledger(args) => ledger::run(&place, args).await,
        Command::Status => status::run(&place).await,
        Command::Reapply(command) => reapply::run(&place, command).await,
        Command::Replay => replay::run(&place).await,
        Command::Erase(args) => erase::run(&place, args).await,
    }
}
