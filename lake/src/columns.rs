//! The columns of the table `hits`: names, types, order, meaning.
//!
//! Hot objects and table objects have the same columns; in hot objects those of the visit are
//! null, because only the merge knows visits. New columns are added at the end.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 32-bit whole number.
    Int,
    /// 64-bit whole number.
    Long,
    /// 64-bit floating point number.
    Double,
    /// Yes or no.
    Bool,
    /// UTF-8 text of few distinct values: dictionary-encoded.
    Text,
    /// UTF-8 text that is nearly always distinct: no dictionary.
    Id,
    /// Microseconds since the Unix epoch, UTC.
    Time,
}

impl Type {
    /// The Arrow type that is written; dictionaries are a matter of encoding.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Text | Self::Id => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The Arrow type that readers of ours ask for: dictionaries stay dictionaries.
    #[must_use]
    pub fn arrow_for_reading(self) -> DataType {
        match self {
            Self::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            other => other.arrow(),
        }
    }
}

/// One column: its name, its type, whether the merge fills it, what it means.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name, as in SQL.
    pub name: &'static str,
    /// The type.
    pub kind: Type,
    /// Worked out by the merge from the visit; null in hot objects, and read by no rule.
    pub of_visit: bool,
    /// What it means.
    pub doc: &'static str,
}

const fn raw(name: &'static str, kind: Type, doc: &'static str) -> Column {
    Column { name, kind, of_visit: false, doc }
}

const fn visit(name: &'static str, kind: Type, doc: &'static str) -> Column {
    Column { name, kind, of_visit: true, doc }
}

/// Every column, in the order of the files.
pub const COLUMNS: &[Column] = &[
    raw("site", Type::Int, "id of the site"),
    raw("ts", Type::Time, "when the hit happened"),
    raw("hit_id", Type::Id, "UUID of the hit within the site"),
    visit("visitor_id", Type::Id, "visitor of the visit, after bridging; 16 hex digits"),
    visit("visit_id", Type::Id, "the visit; 16 hex digits"),
    raw(
        "kind",
        Type::Text,
        "pageview, download, outlink, event, search, content, goal, order or ping",
    ),
    raw("host", Type::Text, "host of the page, lower case"),
    raw("path", Type::Text, "path of the page"),
    raw("query", Type::Text, "query of the page after clean-up, without the question mark"),
    raw("title", Type::Text, "title of the page"),
    raw("target", Type::Text, "URL of the download or outlink, target of content"),
    raw("event_category", Type::Text, "category of the event"),
    raw("event_action", Type::Text, "action of the event"),
    raw("event_name", Type::Text, "name of the event"),
    raw("event_value", Type::Double, "value of the event"),
    raw("search_term", Type::Text, "what was searched for on the site"),
    raw("search_category", Type::Text, "category of the search"),
    raw("search_results", Type::Int, "number of results of the search"),
    raw("dimension1", Type::Text, "custom dimension 1"),
    raw("dimension2", Type::Text, "custom dimension 2"),
    raw("dimension3", Type::Text, "custom dimension 3"),
    raw("dimension4", Type::Text, "custom dimension 4"),
    raw("dimension5", Type::Text, "custom dimension 5"),
    raw("dimension6", Type::Text, "custom dimension 6"),
    raw("dimension7", Type::Text, "custom dimension 7"),
    raw("dimension8", Type::Text, "custom dimension 8"),
    raw("dimension9", Type::Text, "custom dimension 9"),
    raw("dimension10", Type::Text, "custom dimension 10"),
    raw("dimension11", Type::Text, "custom dimension 11"),
    raw("dimension12", Type::Text, "custom dimension 12"),
    raw("dimension13", Type::Text, "custom dimension 13"),
    raw("dimension14", Type::Text, "custom dimension 14"),
    raw("dimension15", Type::Text, "custom dimension 15"),
    raw("dimension16", Type::Text, "custom dimension 16"),
    raw("dimension17", Type::Text, "custom dimension 17"),
    raw("dimension18", Type::Text, "custom dimension 18"),
    raw("dimension19", Type::Text, "custom dimension 19"),
    raw("dimension20", Type::Text, "custom dimension 20"),
    raw("goal_id", Type::Int, "goal of a conversion"),
    raw("order_id", Type::Text, "order; null for a cart"),
    raw("revenue", Type::Double, "revenue of goal or order, in the site's currency"),
    visit(
        "channel",
        Type::Text,
        "channel of the visit: direct, search, social, ai, email, campaign, paid_search, paid_social, display, website",
    ),
    visit(
        "source",
        Type::Text,
        "engine, network, campaign source or host that the visit came from",
    ),
    visit("keyword", Type::Text, "keyword that the visit came with"),
    visit("referrer_host", Type::Text, "host of the visit's referrer"),
    visit("referrer_path", Type::Text, "path of the visit's referrer"),
    visit("campaign", Type::Text, "campaign of the visit"),
    visit("campaign_source", Type::Text, "source of the visit's campaign"),
    visit("campaign_medium", Type::Text, "medium of the visit's campaign"),
    visit("campaign_term", Type::Text, "term of the visit's campaign"),
    visit("campaign_content", Type::Text, "content of the visit's campaign"),
    raw("country", Type::Text, "country, ISO 3166, two letters"),
    raw("region", Type::Text, "region"),
    raw("city", Type::Text, "city"),
    raw("language", Type::Text, "language of the browser"),
    raw("device", Type::Text, "desktop, mobile, tablet, tv, console, car, wearable or other"),
    raw("brand", Type::Text, "brand of the device"),
    raw("model", Type::Text, "model of the device"),
    raw("os", Type::Text, "operating system"),
    raw("os_version", Type::Text, "version of the operating system"),
    raw("browser", Type::Text, "browser"),
    raw("browser_version", Type::Text, "version of the browser"),
    raw("screen", Type::Text, "screen, width x height"),
    raw("user_id", Type::Text, "the site's own id of the user"),
    visit("is_entry", Type::Bool, "first row of its visit, whether it is a page or not"),
    visit("is_exit", Type::Bool, "last row of its visit"),
    visit(
        "entry_path",
        Type::Text,
        "page (path and query) of the visit's first page view or search",
    ),
    visit("exit_path", Type::Text, "page (path and query) of the visit's last page view or search"),
    visit("visit_hits", Type::Int, "hits of the visit"),
    visit("visit_pageviews", Type::Int, "page views of the visit"),
    visit(
        "visit_actions",
        Type::Int,
        "actions of the visit: page views, downloads, outlinks, events, searches",
    ),
    visit(
        "visit_duration_s",
        Type::Int,
        "0 for one request, else last - first + 1, in seconds; and what a conversion adds",
    ),
    visit("is_bounce", Type::Bool, "the visit has at most one action"),
    visit("visitor_type", Type::Text, "new or returning"),
    visit(
        "time_on_page_s",
        Type::Int,
        "seconds spent on the page or search: what passed before each page, search, download, \
         outlink or content that follows, until the next page; null where nothing does",
    ),
    raw("engaged_ms", Type::Long, "time that the page was looked at"),
    raw("scroll_percent", Type::Int, "how far the page was scrolled"),
    raw("bot_reason", Type::Text, "why the hit is held to be a bot's; null for people"),
    raw("user_agent", Type::Text, "user agent, versions cut to the major, at most 256 bytes"),
    raw("received_at", Type::Time, "when ingest received the hit"),
    raw("fingerprint", Type::Id, "keyed hash of address and browser; raw input of the visit rules"),
    raw("client_id", Type::Id, "the client's own id as sent; raw input of the visit rules"),
    raw(
        "client_id_forced",
        Type::Bool,
        "the client's id must not be bridged; raw input of the visit rules",
    ),
    raw("new_visit", Type::Bool, "the client asked for a new visit; raw input of the visit rules"),
    raw("hit_channel", Type::Text, "channel that this hit's own referrer and campaign give"),
    raw("hit_source", Type::Text, "source that this hit's own referrer and campaign give"),
    raw("hit_keyword", Type::Text, "keyword that this hit's own referrer and campaign give"),
    raw("hit_referrer_host", Type::Text, "host of this hit's own referrer"),
    raw("hit_referrer_path", Type::Text, "path of this hit's own referrer"),
    raw("hit_campaign", Type::Text, "campaign that this hit names"),
    raw("hit_campaign_source", Type::Text, "source of the campaign that this hit names"),
    raw("hit_campaign_medium", Type::Text, "medium of the campaign that this hit names"),
    raw("hit_campaign_term", Type::Text, "term of the campaign that this hit names"),
    raw("hit_campaign_content", Type::Text, "content of the campaign that this hit names"),
    raw("click_id", Type::Text, "name of the advertiser's click parameter in the URL"),
    raw("page_view", Type::Id, "id that the hits of one page view share"),
    raw("content_name", Type::Text, "name of the content"),
    raw("content_piece", Type::Text, "piece of the content"),
    raw("content_interaction", Type::Text, "interaction with the content; null for an impression"),
    raw("order_items", Type::Text, "items of the order, JSON as sent"),
    raw("timezone", Type::Text, "time zone of the browser"),
    raw("status", Type::Int, "HTTP status of the page, where known"),
    raw("network_ms", Type::Int, "connection and name look-up"),
    raw("server_ms", Type::Int, "from request to first byte"),
    raw("transfer_ms", Type::Int, "from first to last byte"),
    raw("dom_processing_ms", Type::Int, "until the document is interactive"),
    raw("dom_completion_ms", Type::Int, "until the document is complete"),
    raw("on_load_ms", Type::Int, "the load handlers"),
    visit("visit_start", Type::Time, "time of the visit's first hit"),
    raw(
        "position",
        Type::Int,
        "place in its request of a hit to which the client gave no id; raw input of the visit rules",
    ),
    raw(
        "referrer_cuts",
        Type::Bool,
        "another website as referrer begins a new visit; raw input of the visit rules",
    ),
    raw(
        "attributed_channel",
        Type::Text,
        "channel to which the client attributes its conversions; null where it says nothing",
    ),
    raw("attributed_source", Type::Text, "source to which the client attributes its conversions"),
    raw("attributed_keyword", Type::Text, "keyword to which the client attributes its conversions"),
    raw(
        "attributed_campaign",
        Type::Text,
        "campaign to which the client attributes its conversions",
    ),
    raw(
        "goals",
        Type::Text,
        "goals that the hit reached by the settings in force when it was first merged: \
         ID=REVENUE, + after the id where each time counts; null in hot objects",
    ),
    raw(
        "is_derived",
        Type::Bool,
        "a conversion by pattern that the merge added: no hit; null in hot objects",
    ),
    visit("is_conversion", Type::Bool, "the row counts as a conversion: goal reached or order"),
    raw("local_time_s", Type::Int, "time of day on the visitor's clock, seconds since midnight"),
    raw(
        "not_a_bot",
        Type::Bool,
        "an authenticated client said so: lists of bots do not mark the hit, now or later",
    ),
    raw("extra", Type::Text, "what Matomo's clients send without a column of its own, as JSON"),
    raw(
        "own_timings",
        Type::Text,
        "the page view's own timings, network_ms to on_load_ms with commas between, where it took \
         some from later requests; null in hot objects",
    ),
];

/// The columns of a page's timings, milliseconds.
pub const TIMINGS: [&str; 6] = [
    "network_ms",
    "server_ms",
    "transfer_ms",
    "dom_processing_ms",
    "dom_completion_ms",
    "on_load_ms",
];

/// The schema that is written.
#[must_use]
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| build(Type::arrow));
    Arc::clone(&SCHEMA)
}

/// The schema that our readers ask for, with dictionaries kept.
#[must_use]
pub fn schema_for_reading() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| build(Type::arrow_for_reading));
    Arc::clone(&SCHEMA)
}

fn build(arrow: fn(Type) -> DataType) -> SchemaRef {
    let fields = COLUMNS.iter().map(|column| {
        let required = matches!(
            column.name,
            "site" | "ts" | "hit_id" | "kind" | "received_at" | "fingerprint"
        );
        Field::new(column.name, arrow(column.kind), !required)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The column with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
    }
}
