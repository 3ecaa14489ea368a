//! The command line of `hitlake`: names, values and their help. Does nothing itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

/// Web analytics that live in your own bucket.
#[derive(Debug, Parser)]
#[command(name = "hitlake", version, max_term_width = 100)]
pub struct Cli {
    /// Where hits, table and settings lie.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The local folder, or the real thing.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Folder of the local installation
    #[arg(long, global = true, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Store to work on instead of the folder's: s3://bucket/prefix
    #[arg(long, global = true, value_name = "URL", env = "HITLAKE_STORE")]
    pub store: Option<String>,
    /// Stream to put hits on instead of the folder's: kinesis:NAME
    #[arg(long, global = true, value_name = "STREAM", env = "HITLAKE_STREAM")]
    pub stream: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve tracker, beacons and the metrics API from one process
    Serve(ServeArgs),
    /// Create, show, list and remove sites
    #[command(subcommand)]
    Site(SiteCommand),
    /// Create, list and revoke tokens of the API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Import access logs of web servers and CDNs as hits
    Import(ImportArgs),
    /// Merge waiting hits into the table now
    Merge(MergeArgs),
    /// Show or change into how many parts dates are divided, for days of very many hits
    Parts(PartsArgs),
    /// Ask the metrics API a question
    Query(Box<QueryArgs>),
    /// Show what became of every hit, by hour of receipt
    Ledger(LedgerArgs),
    /// Show hits waiting, last merge, dates and sizes
    Status,
    /// Work out anew what history has by older lists or settings
    #[command(subcommand)]
    Reapply(ReapplyCommand),
    /// Append records after all that were rejected or parked and can be read now
    Replay,
    /// Erase a person's hits, or those before a date, from everything that is stored
    Erase(EraseArgs),
}

/// `hitlake serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// `hitlake site`
#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Create or replace a site from JSON, such as {"id":2,"name":"Shop","timezone":"Europe/Berlin"}
    Put {
        /// File with the settings; - reads standard input
        file: PathBuf,
    },
    /// List the sites
    List,
    /// Print a site's settings as JSON
    Show {
        /// Id of the site
        id: i32,
    },
    /// Remove a site's settings; its hits stay
    Remove {
        /// Id of the site
        id: i32,
    },
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessArg {
    /// Ask the metrics API
    Read,
    /// Send hits with their own time, address and user agent
    Write,
    /// Both
    ReadWrite,
}

/// `hitlake token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it; it is not shown again
    Add {
        /// What it opens
        #[arg(long, value_enum, default_value = "read")]
        access: AccessArg,
        /// Ids of the sites, such as 1,2; or all
        #[arg(long, default_value = "all", value_name = "IDS")]
        sites: String,
        /// Last date (YYYY-MM-DD, UTC) on which it opens anything; without it for ever
        #[arg(long, value_name = "DATE")]
        expires: Option<Date>,
    },
    /// List the tokens: start of the SHA-256, access, sites, last date, day of the last use
    List,
    /// Revoke a token
    Revoke {
        /// The token itself, or the start of its SHA-256 as `token list` shows it
        token: String,
    },
}

/// `hitlake import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Log files, plain, gzip or zstd; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Id of the site that the hits belong to
    #[arg(long)]
    pub site: i32,
}

/// `hitlake merge`
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Only this date (YYYY-MM-DD); may be given more than once
    #[arg(long, value_name = "DATE")]
    pub date: Vec<Date>,
}

/// `hitlake parts`
#[derive(Debug, Args)]
pub struct PartsArgs {
    /// Parts of dates to come; without it nothing is changed
    pub parts: Option<u16>,
    /// First date (YYYY-MM-DD) that has so many; without it the first that can
    #[arg(long, value_name = "DATE", requires = "parts")]
    pub from: Option<Date>,
}

/// `hitlake erase`
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// Id of the site
    #[arg(long)]
    pub site: i32,
    /// Whose hits, or which
    #[command(flatten)]
    pub whom: WhomArgs,
}

/// One of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhomArgs {
    /// The site's own id of a user; their hits before the login go too
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
    /// A visitor, as the column visitor_id shows it or as the client sends it
    #[arg(long, value_name = "ID")]
    pub visitor: Option<String>,
    /// Every hit of the dates before this one (YYYY-MM-DD)
    #[arg(long, value_name = "DATE")]
    pub before: Option<Date>,
}

/// How `hitlake query` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The API's JSON
    Json,
    /// Comma-separated values
    Csv,
}

/// `hitlake query`
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// Id of the site
    pub site: i32,
    /// Metrics, comma-separated
    #[arg(long, default_value = "pageviews,visits,visitors")]
    pub metrics: String,
    /// First date (YYYY-MM-DD)
    #[arg(long)]
    pub from: Option<String>,
    /// Last date (YYYY-MM-DD)
    #[arg(long)]
    pub to: Option<String>,
    /// hour, day, week, month, year or none
    #[arg(long)]
    pub interval: Option<String>,
    /// Dimensions, comma-separated, such as page or channel
    #[arg(long)]
    pub by: Option<String>,
    /// Path prefix such as /news, or the name of a section
    #[arg(long)]
    pub section: Option<String>,
    /// Levels of the path in --by section
    #[arg(long)]
    pub section_depth: Option<String>,
    /// Which hits or visits, such as country==GB;device!=mobile
    #[arg(long)]
    pub filter: Option<String>,
    /// Name of one of the site's segments
    #[arg(long)]
    pub segment: Option<String>,
    /// Time zone such as Europe/Berlin; without it the site's
    #[arg(long)]
    pub tz: Option<String>,
    /// previous or year
    #[arg(long)]
    pub compare: Option<String>,
    /// exclude, include or only
    #[arg(long)]
    pub bots: Option<String>,
    /// Metric or dimension to order by; - before it for descending
    #[arg(long, allow_hyphen_values = true)]
    pub order: Option<String>,
    /// Rows at most
    #[arg(long)]
    pub limit: Option<String>,
    /// Rows left out at the beginning
    #[arg(long)]
    pub offset: Option<String>,
    /// Where the next page begins, as the last answer says
    #[arg(long)]
    pub cursor: Option<String>,
    /// Say what the answer took: objects, bytes, time
    #[arg(long)]
    pub explain: bool,
    /// Any other parameter of the API, as NAME=VALUE; may be given more than once
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Print JSON or CSV; without it a table on a terminal, JSON elsewhere
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// `hitlake reapply`
#[derive(Debug, Subcommand)]
pub enum ReapplyCommand {
    /// Mark bots by the list of this program and the sites' rules, on dates that another list marked
    Bots {
        /// Instead on all dates on which this site has hits: for rules of its own that changed
        #[arg(long)]
        site: Option<i32>,
    },
    /// Let all hits of a site reach its goals as they are now
    Goals {
        /// Id of the site
        #[arg(long)]
        site: i32,
    },
}

/// `hitlake ledger`
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// Id of the site
    pub site: i32,
    /// First date (YYYY-MM-DD), of receipt
    #[arg(long)]
    pub from: Option<String>,
    /// Last date (YYYY-MM-DD), of receipt
    #[arg(long)]
    pub to: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
