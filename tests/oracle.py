"""Answers of the metrics API computed anew by DuckDB from the Parquet of the table."""

import duckdb

# By the definitions of docs/DEFINITIONS.md: hit metrics count rows, visit metrics first rows.
METRICS = {
    "hits": "count(*)",
    "pageviews": "count(*) filter (kind = 'pageview')",
    "unique_pageviews": "count(distinct visit_id) filter (kind = 'pageview')",
    "downloads": "count(*) filter (kind = 'download')",
    "outlinks": "count(*) filter (kind = 'outlink')",
    "events": "count(*) filter (kind = 'event')",
    "visits": "count(distinct visit_id)",
    "visitors": "count(distinct visitor_id)",
    "bounces": "count(*) filter (is_entry and is_bounce)",
    "visit_duration": "coalesce(sum(visit_duration_s) filter (is_entry), 0)",
    "entries": "count(*) filter (is_entry and entry_path is not null)",
    "exits": "count(*) filter (is_entry and exit_path is not null)",
}
BOTS = {"include": "true", "exclude": "bot_reason is null", "only": "bot_reason is not null"}


class Table:
    """The table in a local folder."""

    def __init__(self, folder, site):
        self.rows = f"(select * from read_parquet('{folder}/hits/dt=*/*.parquet', hive_partitioning=true) where site = {site})"

    def sql(self, query):
        return duckdb.sql(query.replace("ROWS", self.rows)).fetchall()

    def totals(self, metrics, bots="include"):
        select = ", ".join(METRICS[name] for name in metrics)
        (row,) = self.sql(f"select {select} from ROWS where {BOTS[bots]}")
        return dict(zip(metrics, row))

    def by(self, column, metric, where="true"):
        """A hit metric by a column, without what is not there."""
        rows = self.sql(f"select {column}, {METRICS[metric]} from ROWS where {where} and {column} is not null group by 1")
        return {str(name): count for name, count in rows if count}

    def ids(self):
        return sorted(row[0] for row in self.sql("select hit_id from ROWS"))

    def kinds(self):
        return dict(self.sql("select kind, count(*) from ROWS group by 1"))

    def of_visitors_without_campaign(self):
        """What `inputs.visits` counts from the log itself."""
        (row,) = self.sql("""
            with plain as (select * from ROWS where visitor_id not in (select visitor_id from ROWS where campaign is not null))
            select count(distinct visitor_id), count(distinct visit_id), count(*) filter (is_entry and is_bounce),
                sum(visit_duration_s) filter (is_entry) from plain""")
        return dict(zip(["visitors", "visits", "bounces", "visit_duration"], row))
