//! A site: its settings, and what every hit needs of them, parsed once.
//!
//! `settings` holds names, values and defaults (CONTRACTS, "Site settings"), `read` and `check`
//! refuse what is wrong with the key, the value and what is allowed, [`Site`] is the parsed form,
//! and [`SiteCache`] keeps sites in a process. Applies no setting to any hit.

mod bots;
mod cache;
mod check;
mod error;
mod history;
mod pattern;
mod ready;
mod settings;
mod stored;

pub use bots::BotRules;
pub use cache::SiteCache;
pub use error::SiteError;
pub use history::changes;
pub use pattern::{Pattern, PatternError};
pub use ready::Site;
pub use settings::{
    CountryFallback, Dimension, Goal, GoalMatch, Identity, PatternType, Scope, Section, Segment,
    Signal, SiteSearch, SiteSettings,
};
pub use stored::{list_sites, put_site, read_site, read_sites, remove_site};
