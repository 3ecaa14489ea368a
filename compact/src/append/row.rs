//! One hit with what append worked out, as the columns of a hot object.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::error::ArrowError;
use lake::columns::{COLUMNS, Column, schema};
use lake::hit::{Campaign, Hit};

use crate::enrich::{Device, Source, reason_of};

/// A hit, its device and its source.
#[derive(Debug)]
pub struct Row {
    /// As it came from the stream.
    pub hit: Hit,
    /// What its user agent says.
    pub device: Arc<Device>,
    /// What its referrer and campaign say.
    pub source: Source,
    /// To what the client attributes its conversions.
    pub attributed: Attributed,
}

/// To what the client attributes its conversions (matomo.md 3.4): a campaign that it names, else
/// a referrer that is another site.
#[derive(Debug, Default)]
pub struct Attributed {
    campaign: Option<String>,
    channel: Option<&'static str>,
    source: Option<String>,
    keyword: Option<String>,
}

impl Attributed {
    /// Reads it from the hit; `source` says what a referrer is.
    pub fn of(hit: &Hit, source: impl FnOnce(&Hit) -> Source) -> Self {
        let Some(attribution) = &hit.attribution else { return Self::default() };
        if attribution.campaign.is_some() {
            return Self {
                campaign: attribution.campaign.clone(),
                channel: Some("campaign"),
                source: None,
                keyword: attribution.keyword.clone(),
            };
        }
        let Some(referrer) = &attribution.referrer else { return Self::default() };
        let found = source(&Hit { referrer: Some(referrer.clone()), ..Hit::default() });
        if matches!(found.channel, "direct" | "internal") {
            return Self::default();
        }
        Self {
            campaign: None,
            channel: Some(found.channel),
            source: found.source,
            keyword: found.keyword,
        }
    }
}

/// How a column's value is read from a row.
enum Cell {
    Text(fn(&Row) -> Option<&str>),
    Show(fn(&Row) -> Option<String>),
    Int(fn(&Row) -> Option<i32>),
    Long(fn(&Row) -> Option<i64>),
    Double(fn(&Row) -> Option<f64>),
    Bool(fn(&Row) -> bool),
    /// Unix milliseconds; stored as microseconds.
    Time(fn(&Row) -> i64),
    Dimension(u8),
    Null,
}

/// The rows as a batch of the table's columns; those of the visit are null.
///
/// # Errors
///
/// When the columns and their cells disagree, which a test rules out.
pub fn batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let columns = COLUMNS.iter().map(|column| array(column, rows)).collect();
    RecordBatch::try_new(schema(), columns)
}

fn array(column: &Column, rows: &[Row]) -> ArrayRef {
    let Some(cell) = cell(column) else {
        return new_null_array(&column.kind.arrow(), rows.len());
    };
    match cell {
        Cell::Null => new_null_array(&column.kind.arrow(), rows.len()),
        Cell::Text(get) => Arc::new(rows.iter().map(get).collect::<StringArray>()),
        Cell::Show(get) => Arc::new(rows.iter().map(get).collect::<StringArray>()),
        Cell::Int(get) => Arc::new(rows.iter().map(get).collect::<Int32Array>()),
        Cell::Long(get) => Arc::new(rows.iter().map(get).collect::<Int64Array>()),
        Cell::Double(get) => Arc::new(rows.iter().map(get).collect::<Float64Array>()),
        Cell::Bool(get) => {
            Arc::new(rows.iter().map(|row| Some(get(row))).collect::<BooleanArray>())
        }
        Cell::Time(get) => {
            let times = rows.iter().map(|row| Some(get(row).saturating_mul(1_000)));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Cell::Dimension(number) => {
            let values = rows.iter().map(|row| row.hit.dimensions.get(&number).map(String::as_str));
            Arc::new(values.collect::<StringArray>())
        }
    }
}

fn cell(column: &Column) -> Option<Cell> {
    if column.of_visit {
        return None;
    }
    if let Some(number) = column.name.strip_prefix("dimension") {
        return number.parse().ok().map(Cell::Dimension);
    }
    of_hit(column.name).or_else(|| of_number(column.name)).or_else(|| of_enrichment(column.name))
}

fn of_hit(name: &str) -> Option<Cell> {
    Some(match name {
        "hit_id" => Cell::Show(|row| Some(row.hit.id.to_string())),
        "fingerprint" => Cell::Show(|row| Some(row.hit.fingerprint.to_string())),
        "client_id" => Cell::Show(|row| row.hit.client_id.map(|id| id.to_string())),
        "kind" => Cell::Text(|row| Some(row.hit.kind.name())),
        "host" => Cell::Text(|row| row.hit.host.as_deref()),
        "path" => Cell::Text(|row| row.hit.path.as_deref()),
        "query" => Cell::Text(|row| row.hit.query.as_deref()),
        "title" => Cell::Text(|row| row.hit.title.as_deref()),
        "target" => Cell::Text(|row| row.hit.target.as_deref()),
        "event_category" => Cell::Text(|row| row.hit.event_category.as_deref()),
        "event_action" => Cell::Text(|row| row.hit.event_action.as_deref()),
        "event_name" => Cell::Text(|row| row.hit.event_name.as_deref()),
        "search_term" => Cell::Text(|row| row.hit.search_term.as_deref()),
        "search_category" => Cell::Text(|row| row.hit.search_category.as_deref()),
        "order_id" => Cell::Text(|row| row.hit.order_id.as_deref()),
        "order_items" => Cell::Text(|row| row.hit.order_items.as_deref()),
        "country" => Cell::Text(|row| row.hit.country.as_deref()),
        "region" => Cell::Text(|row| row.hit.region.as_deref()),
        "city" => Cell::Text(|row| row.hit.city.as_deref()),
        "language" => Cell::Text(|row| row.hit.language.as_deref()),
        "timezone" => Cell::Text(|row| row.hit.timezone.as_deref()),
        "screen" => Cell::Text(|row| row.hit.screen.as_deref()),
        "user_id" => Cell::Text(|row| row.hit.user_id.as_deref()),
        "page_view" => Cell::Text(|row| row.hit.page_view.as_deref()),
        "content_name" => Cell::Text(|row| row.hit.content_name.as_deref()),
        "content_piece" => Cell::Text(|row| row.hit.content_piece.as_deref()),
        "content_interaction" => Cell::Text(|row| row.hit.content_interaction.as_deref()),
        "click_id" => Cell::Text(|row| row.hit.click_id.as_deref()),
        "hit_campaign" => Cell::Text(|row| {
            campaign(row).map(|campaign| campaign.name.as_str()).or(row.source.campaign.as_deref())
        }),
        "hit_campaign_source" => Cell::Text(|row| campaign(row)?.source.as_deref()),
        "hit_campaign_medium" => Cell::Text(|row| campaign(row)?.medium.as_deref()),
        "hit_campaign_term" => Cell::Text(|row| campaign(row)?.term.as_deref()),
        "hit_campaign_content" => Cell::Text(|row| campaign(row)?.content.as_deref()),
        _ => return None,
    })
}

fn of_number(name: &str) -> Option<Cell> {
    Some(match name {
        "site" => Cell::Int(|row| Some(row.hit.site)),
        "ts" => Cell::Time(|row| row.hit.ts),
        "received_at" => Cell::Time(|row| row.hit.received),
        "event_value" => Cell::Double(|row| row.hit.event_value),
        "revenue" => Cell::Double(|row| row.hit.revenue),
        "search_results" => Cell::Int(|row| row.hit.search_results),
        "position" => Cell::Int(|row| row.hit.position.and_then(|at| i32::try_from(at).ok())),
        "goal_id" => Cell::Int(|row| row.hit.goal_id),
        "local_time_s" => Cell::Int(|row| row.hit.local_time_s),
        "engaged_ms" => Cell::Long(|row| row.hit.engaged_ms),
        "scroll_percent" => Cell::Int(|row| row.hit.scroll_percent),
        "status" => Cell::Int(|row| row.hit.status),
        "client_id_forced" => Cell::Bool(|row| row.hit.client_id_forced),
        "new_visit" => Cell::Bool(|row| row.hit.new_visit),
        "referrer_cuts" => Cell::Bool(|row| row.hit.referrer_cuts),
        "not_a_bot" => Cell::Bool(|row| row.hit.not_a_bot),
        "network_ms" => Cell::Int(|row| row.hit.timings.network_ms),
        "server_ms" => Cell::Int(|row| row.hit.timings.server_ms),
        "transfer_ms" => Cell::Int(|row| row.hit.timings.transfer_ms),
        "dom_processing_ms" => Cell::Int(|row| row.hit.timings.dom_processing_ms),
        "dom_completion_ms" => Cell::Int(|row| row.hit.timings.dom_completion_ms),
        "on_load_ms" => Cell::Int(|row| row.hit.timings.on_load_ms),
        _ => return None,
    })
}

fn of_enrichment(name: &str) -> Option<Cell> {
    Some(match name {
        "device" => Cell::Text(|row| row.device.device),
        "brand" => Cell::Text(|row| row.device.brand.as_deref()),
        "model" => Cell::Text(|row| row.device.model.as_deref()),
        "os" => Cell::Text(|row| row.device.os.as_deref()),
        "os_version" => Cell::Text(|row| row.device.os_version.as_deref()),
        "browser" => Cell::Text(|row| row.device.browser.as_deref()),
        "browser_version" => Cell::Text(|row| row.device.browser_version.as_deref()),
        "user_agent" => Cell::Text(|row| row.device.user_agent.as_deref()),
        "bot_reason" => Cell::Text(|row| reason_of(&row.hit, &row.device)),
        "hit_channel" => Cell::Text(|row| Some(row.source.channel)),
        "hit_source" => Cell::Text(|row| row.source.source.as_deref()),
        "hit_keyword" => Cell::Text(|row| row.source.keyword.as_deref()),
        "hit_referrer_host" => Cell::Text(|row| row.source.referrer_host.as_deref()),
        "hit_referrer_path" => Cell::Text(|row| row.source.referrer_path.as_deref()),
        "extra" => Cell::Text(|row| row.hit.extra.as_deref()),
        "attributed_channel" => Cell::Text(|row| row.attributed.channel),
        "attributed_source" => Cell::Text(|row| row.attributed.source.as_deref()),
        "attributed_keyword" => Cell::Text(|row| row.attributed.keyword.as_deref()),
        "attributed_campaign" => Cell::Text(|row| row.attributed.campaign.as_deref()),
        // What the merge writes and reads again.
        "goals" | "is_derived" | "own_timings" => Cell::Null,
        _ => return None,
    })
}

const fn campaign(row: &Row) -> Option<&Campaign> {
    row.hit.campaign.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_raw_column_has_a_cell() {
        for column in COLUMNS.iter().filter(|column| !column.of_visit) {
            assert!(cell(column).is_some(), "column {} is filled by nothing", column.name);
        }
    }

    #[test]
    fn an_empty_batch_has_the_columns_of_the_table() {
        assert_eq!(batch(&[]).unwrap().schema(), schema());
    }
}
