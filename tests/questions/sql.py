"""Questions of the metrics API as SQL over the table's Parquet, for DuckDB.

Written from docs/DEFINITIONS.md and docs/API.md, not from the program: every filter becomes a
condition on whole sets of rows, every metric a sum over a set. Knows nothing of how Hitlake scans.
"""

import datetime
import re
import zoneinfo

import duckdb
import pyarrow

PAGES = ("pageview", "search")
TIMINGS = "network_ms server_ms transfer_ms dom_processing_ms dom_completion_ms on_load_ms".split()
BANDS = {
    "duration_band": ("visit_duration_s", [(10, "0-10"), (30, "11-30"), (60, "31-60"), (120, "61-120"), (240, "121-240"), (420, "241-420"),
                                           (600, "421-600"), (900, "601-900"), (1800, "901-1800"), (None, "1801+")]),
    "actions_band": ("visit_actions", [(0, "0"), (1, "1"), (2, "2"), (3, "3"), (4, "4"), (5, "5"), (7, "6-7"), (10, "8-10"), (14, "11-14"),
                                       (20, "15-20"), (None, "21+")]),
}
SAME = """title host channel source keyword campaign campaign_source campaign_medium campaign_term campaign_content country region city
 language device brand model os os_version browser browser_version screen visitor_type""".split() + [f"dimension{number}" for number in range(1, 21)]
PAGE = "path || coalesce('?' || query, '')"
BOTS = {"include": "true", "exclude": "bot_reason is null", "only": "bot_reason is not null"}


def literal(value):
    return "'" + str(value).replace("'", "''") + "'"


def of_kind(column, *kinds):
    return f"case when kind in ({', '.join(map(literal, kinds))}) then {column} end"


def band(name):
    column, bands = BANDS[name]
    cases = " ".join(f"when {column} <= {last} then '{label}'" for last, label in bands[:-1])
    return f"case when {column} is null then null {cases} else '{bands[-1][1]}' end"


# The dimension's SQL, and the kind of hits that has it.
DIMENSIONS = {name: (name, None) for name in SAME} | {
    "page": (PAGE, None), "entry_page": ("entry_path", None), "exit_page": ("exit_path", None), "referrer": ("referrer_host", None),
    "download": (of_kind("target", "download"), "download"), "outlink": (of_kind("target", "outlink"), "outlink"),
    "event_category": (of_kind("event_category", "event"), "event"), "event_action": (of_kind("event_action", "event"), "event"),
    "event_name": (of_kind("event_name", "event"), "event"), "search_term": (of_kind("search_term", "search"), "search"),
    "content": (of_kind("content_name", "content"), "content"), "goal": (of_kind("goal_id", "goal"), "goal"),
    "duration_band": (band("duration_band"), None), "actions_band": (band("actions_band"), None),
    "section": ("SECTION", None), "hour_of_day": ("HOUR", None), "weekday": ("isodow(DAY)", None),
    "site": ("site", None),
}


def bare(url):
    return f"regexp_replace({url}, '^(https://)?(http://)?(www\\.)?', '', 'i')"


HOST, REFERRER_HOST = bare("coalesce(host, '')"), bare("coalesce(referrer_host, '')")
URL = f"case when host is null and path is null then null else {HOST} || coalesce(path, '') || coalesce('?' || query, '') end"
ACTION_URL = f"case when kind in ('download', 'outlink') then {bare('target')} when kind in ('pageview', 'search', 'event') then {URL} end"
REFERRER_URL = f"case when referrer_host is null and referrer_path is null then null else {REFERRER_HOST} || coalesce(referrer_path, '') end"
# Which rows: of the hit itself; of the visit's first hit, first page, last page; any of its hits, the same of its hits.
# Name -> (which rows, SQL, is a number, is a URL).
NAMES = {name: ("hit", sql, name in ("goal", "hour_of_day", "weekday", "site"), False) for name, (sql, _) in DIMENSIONS.items()}
NAMES |= {name: ("hit", name, False, False) for name in
          "kind path query target search_category content_piece order_id user_id referrer_path".split()}
NAMES |= {name: ("hit", column, True, False) for name, column in {
    "event_value": "event_value", "search_results": "search_results", "revenue": "revenue", "time_on_page": "time_on_page_s",
    "scroll_percent": "scroll_percent", "status": "status", "visit_duration": "visit_duration_s", "visit_actions": "visit_actions",
    "visit_pageviews": "visit_pageviews"}.items()}
NAMES |= {name: ("first", sql, False, False) for name, sql in {
    "countryCode": "country", "regionCode": "region", "languageCode": "language", "deviceBrand": "brand", "deviceModel": "model",
    "operatingSystemName": "os", "operatingSystemVersion": "os_version", "browserName": "browser", "browserVersion": "browser_version",
    "resolution": "screen", "referrerKeyword": "keyword", "visitorType": "visitor_type", "visitorId": "visitor_id", "visitId": "visit_id",
    "deviceType": "case device when 'mobile' then 'smartphone' when 'car' then 'car browser' else device end",
    "referrerType": "case when channel = 'ai' then 'website' when channel in ('email', 'paid_search', 'paid_social', 'display') then 'campaign' else channel end",
    "referrerName": "coalesce(campaign, source)"}.items()}
NAMES |= {
    "referrerUrl": ("first", REFERRER_URL, False, False),
    "visitDuration": ("first", "visit_duration_s", True, False), "actions": ("first", "visit_actions", True, False),
    "visitLocalHour": ("first", "local_time_s // 3600", True, False),
    "searches": ("first", "(select count(*) from h c where c.vid = x.vid and c.kind = 'search')", True, False),
    "events": ("first", "(select count(*) from h c where c.vid = x.vid and c.kind = 'event')", True, False),
    "visitConverted": ("first", "(select cast(coalesce(bool_or(c.is_conversion), false) as int) from h c where c.vid = x.vid)", True, False),
    "userId": ("any", "user_id", False, False), "visitConvertedGoalId": ("any", of_kind("goal_id", "goal"), True, False),
    "orderId": ("any", of_kind("order_id", "order"), False, False), "revenueOrder": ("any", of_kind("revenue", "order"), True, False),
    "entryPageUrl": ("first page", URL, False, True), "entryPageTitle": ("first page", "title", False, False),
    "exitPageUrl": ("last page", URL, False, True), "exitPageTitle": ("last page", "title", False, False),
    "pageUrl": ("same", of_kind(URL, *PAGES), False, True), "pageTitle": ("same", of_kind("title", *PAGES), False, False),
    "downloadUrl": ("same", of_kind(bare("target"), "download"), False, True), "outlinkUrl": ("same", of_kind(bare("target"), "outlink"), False, True),
    "actionUrl": ("same", ACTION_URL, False, True), "eventUrl": ("same", of_kind(URL, "event"), False, True),
    "actionType": ("same", """case kind when 'pageview' then 'pageviews' when 'content' then 'contents' when 'search' then 'sitesearches'
        when 'event' then 'events' when 'outlink' then 'outlinks' when 'download' then 'downloads' else kind end""", False, False),
    "siteSearchKeyword": ("same", of_kind("search_term", "search"), False, False),
    "siteSearchCategory": ("same", of_kind("search_category", "search"), False, False),
    "siteSearchCount": ("same", of_kind("search_results", "search"), True, False),
    "eventCategory": ("same", of_kind("event_category", "event"), False, False), "eventAction": ("same", of_kind("event_action", "event"), False, False),
    "eventName": ("same", of_kind("event_name", "event"), False, False), "eventValue": ("same", of_kind("event_value", "event"), True, False),
    "contentName": ("same", of_kind("content_name", "content"), False, False), "contentPiece": ("same", of_kind("content_piece", "content"), False, False),
    "contentTarget": ("same", of_kind("target", "content"), False, False),
    "contentInteraction": ("same", of_kind("content_interaction", "content"), False, False),
}


def name_of(written):
    """Rows, SQL, is a number, is a URL of a name as it is written."""
    if written in NAMES:
        return NAMES[written]
    return ("any", *NAMES[written.removeprefix("visited_")][1:])


def compare(sql, number, operator, value):
    """The condition of one value, null rules included."""
    if value == "":
        empty = f"({sql}) is null or ({sql}) " + ("= 0" if number else "in ('', '0')")
        return f"({empty})" if operator == "==" else f"(not ({empty}))"
    if number:
        plain, right = f"({sql})", repr(float(value))
    else:
        plain, right = f"lower({sql})", literal(value.lower())
    test = {
        "==": f"{plain} = {right}", "!=": f"{plain} <> {right}", "=@": f"contains({plain}, {right})", "!@": f"not contains({plain}, {right})",
        "=^": f"starts_with({plain}, {right})", "=$": f"ends_with({plain}, {right})",
    }.get(operator, f"{plain} {operator} {right}")
    return f"coalesce({test}, {str(operator in ('!=', '!@')).lower()})"


class Filter:
    """Groups, all of which must hold, of conditions (name, operator, value), one of which must."""

    def __init__(self, groups):
        self.groups = groups

    def where(self):
        """The condition on a row `x` of h."""
        if not any(self.same_hit(*condition) for group in self.groups for condition in group):
            return self.all(None)
        return f"(({self.all('false')}) or exists (select 1 from h s where s.vid = x.vid and {self.all('s')}))"

    def all(self, hit):
        groups = (" or ".join(self.condition(hit, *condition) for condition in group) for group in self.groups)
        return " and ".join(f"({group})" for group in groups) or "true"

    def same_hit(self, name, operator, value):
        return name_of(name)[0] == "same" and self.positive(operator, value)

    @staticmethod
    def positive(operator, value):
        return (operator not in ("!=", "!@")) != (value == "")

    def condition(self, hit, name, operator, value):
        rows, sql, number, url = name_of(name)
        if url:
            value = re.sub("^(https://)?(http://)?(www\\.)?", "", value, flags=re.IGNORECASE)
        test = compare(sql, number, operator, value)
        if rows == "hit":
            # Beside the one hit of the visit, the columns are that hit's.
            return f"x.row in (select x.row from h x where {test})" if hit == "s" else test
        if self.same_hit(name, operator, value):
            return "false" if hit == "false" else f"{hit}.row in (select x.row from h x where {test})"
        if rows in ("any", "same"):
            if self.positive(operator, value):
                return f"coalesce(x.vid in (select x.vid from h x where x.vid is not null and {test}), false)"
            opposite = compare(sql, number, {"!=": "==", "!@": "=@", "==": "!="}[operator], value)
            return f"(x.vid is not null and x.vid not in (select x.vid from h x where x.vid is not null and {opposite}))"
        if rows == "first":
            return f"coalesce(x.vid in (select x.vid from h x where x.is_entry and {test}), false)"
        place = "first_page" if rows == "first page" else "last_page"
        without = compare("cast(null as double)" if number else "cast(null as varchar)", number, operator, value)
        return f"""coalesce(x.vid in (select x.vid from h x where x.{place} and {test}
            union all select x.vid from h x where x.vid is not null and not x.has_page and {without}), false)"""


class Table:
    """The table in a folder, with what SQL cannot easily know of time zones worked out by Python."""

    def __init__(self, folder):
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'; set threads = 1")
        pages = f"kind in {PAGES}"
        self.connection.execute(f"""create table everything as select *, row_number() over () as row, cast(dt as date) as date,
            site || '/' || dt || '/' || visit_id as vid, {pages} as is_page,
            row_number() over (partition by site, dt, visit_id, {pages} order by file_row_number) as page,
            count(*) over (partition by site, dt, visit_id, {pages}) as pages
            from read_parquet('{folder}/hits/dt=*/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true, file_row_number = true)""")
        self.quarters = [quarter for quarter, in self.ask("select distinct epoch_us(ts) // 900000000 from everything")]
        self.known = {}

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def of(self, site, zone, by_time):
        """Name of the table with the site's rows, their day and hour in a zone; without `by_time` the partition is the day."""
        key = (site, zone, by_time)
        if key not in self.known:
            name = self.known[key] = f"hits{len(self.known)}"
            self.connection.register("clock", pyarrow.Table.from_pylist([moment(quarter, zone) for quarter in self.quarters]))
            self.connection.execute(f"""create table {name} as select everything.*, hour, label, vid is not null and is_page and page = 1 as first_page,
                vid is not null and is_page and page = pages as last_page, vid is not null and bool_or(is_page) over (partition by vid) as has_page,
                {"clock.day" if by_time else "date"} as day from everything join clock on clock.quarter = epoch_us(ts) // 900000000 where site = {site}""")
            self.connection.execute(f"""create table visits_of_{name} as select vid, any_value(day) filter (is_entry) as day, any_value(label) filter (is_entry) as label,
                any_value(visit_actions) as visit_actions, any_value(is_bounce) as is_bounce, any_value(visit_duration_s) as visit_duration_s,
                coalesce(bool_or(is_conversion), false) as converted from {name} where vid is not null group by vid""")
        return self.known[key]


def moment(quarter, zone):
    local = datetime.datetime.fromtimestamp(quarter * 900, datetime.timezone.utc).astimezone(zoneinfo.ZoneInfo(zone))
    offset = local.strftime("%z")
    return {"quarter": quarter, "day": local.date(), "hour": local.hour, "label": local.strftime("%Y-%m-%dT%H:00:00") + f"{offset[:3]}:{offset[3:]}"}


def counts(test):
    return f"count(*) filter ({test})"


def uniques(test):
    return f"count(distinct vid) filter ({test})"


IMPRESSION, INTERACTION = "kind = 'content' and content_interaction is null", "kind = 'content' and content_interaction is not null"
TIMED = "kind = 'pageview' and coalesce(" + ", ".join(TIMINGS) + ") is not null"
# Sums over matching hits, in the bucket of the hit.
OF_HITS = {
    "hits": counts("not coalesce(is_derived, false)"), "conversions": counts("is_conversion"), "orders": counts("kind = 'order' and is_conversion"),
    "impressions": counts(IMPRESSION), "interactions": counts(INTERACTION), "unique_impressions": uniques(IMPRESSION), "unique_interactions": uniques(INTERACTION),
    "revenue": "coalesce(sum(revenue) filter (is_conversion), 0)", "event_value": "coalesce(sum(event_value) filter (kind = 'event'), 0)",
    "time_on_page": "coalesce(sum(time_on_page_s) filter (is_page), 0)", "engaged_ms": "coalesce(sum(engaged_ms) filter (not coalesce(is_derived, false)), 0)",
    "load_ms": f"coalesce(sum({' + '.join(f'coalesce({timing}, 0)' for timing in TIMINGS)}) filter ({TIMED}), 0)", "timed": counts(TIMED),
    "visitors": "count(distinct visitor_id)", "visitor_days": "count(distinct (day, visitor_id)) filter (visitor_id is not null)", "users": "count(distinct user_id)",
    "new_visitors": "count(distinct visitor_id) filter (visitor_type = 'new')",
    "returning_visitors": "count(distinct visitor_id) filter (visitor_type = 'returning')",
} | {f"{kind}s" if kind != "search" else "searches": counts(f"kind = '{kind}'") for kind in ("pageview", "download", "outlink", "event", "search")} | {
    f"unique_{kind}s" if kind != "search" else "unique_searches": uniques(f"kind = '{kind}'") for kind in ("pageview", "download", "outlink", "event", "search")}
# Sums over visits with a matching hit, in the bucket of the visit.
OF_VISITS = {
    "visits": "count(*)", "actions": "sum(visit_actions)", "bounces": "count(*) filter (is_bounce)", "visit_duration": "sum(visit_duration_s)",
    "converted_visits": "count(*) filter (converted)", "entries": "count(*) filter (entered)", "exits": "count(*) filter (left_it)",
}
# Sums over page views of visits.
OF_VIEWS = {"scrolled": "sum(depth)", "views": "count(*)"}
RATIOS = {
    "actions_per_visit": ("actions", "visits"), "bounce_rate": ("bounces", "visits"), "avg_visit_duration": ("visit_duration", "visits"),
    "exit_rate": ("exits", "unique_pageviews"), "avg_time_on_page": ("time_on_page", "pageviews"), "conversion_rate": ("converted_visits", "visits"),
    "scroll_depth": ("scrolled", "views"), "avg_load_time": ("load_ms", "timed"),
}
FACTORS = {"scroll_depth": 0.01, "avg_load_time": 0.001}
METRICS = [*(OF_HITS.keys() - {"engaged_ms", "load_ms", "timed"}), *OF_VISITS, *RATIOS, "engaged_time"]
METRICS.sort()
MATCHED = ", ".join(f"x.{name}" for name in [
    *"vid kind is_page first_page last_page path day is_derived is_conversion content_interaction revenue event_value time_on_page_s engaged_ms".split(), *TIMINGS,
    *"visitor_id visitor_type user_id page_view scroll_percent".split()])
BUCKETS = {"none": "''", "hour": "label", "day": "cast(day as varchar)"} | {
    unit: f"cast(cast(date_trunc('{unit}', day) as date) as varchar)" for unit in ("week", "month", "year")}


class Question:
    """What is asked of one site."""

    def __init__(self, site, zone, tz, first, last, interval="none", by=(), bots="exclude", paths=None, depth=1, filters=()):
        self.site, self.zone, self.tz, self.first, self.last, self.interval, self.by = site, zone, tz, first, last, interval, list(by)
        self.bots, self.paths, self.depth, self.filters = bots, paths, depth, filters

    def matching(self):
        kinds = {DIMENSIONS[name][1] for name in self.by} - {None}
        named = {*self.by, *(name for it in self.filters for group in it.groups for name, _, _ in group)}
        return " and ".join([
            # Hits outside of the question's dates have no hour in it.
            *([self.inside()] if named & {"hour_of_day", "weekday"} else []),
            BOTS[self.bots], *(f"kind = '{kind}'" for kind in kinds), *(f"({it.where()})" for it in self.filters), *(paths(*self.paths) if self.paths else [])])

    def inside(self):
        return f"day between '{self.first}' and '{self.last}'"

    def expanded(self, sql):
        section = f"regexp_extract(path, '^/?[^/]*(/[^/]*){{0,{self.depth - 1}}}')"
        return re.sub(r"\bDAY\b", "day", re.sub(r"\bHOUR\b", "hour", re.sub(r"\bSECTION\b", section, sql)))

    def answer(self, table, metrics):
        """Sums by name: of each (time, *dimensions), and of all; and the combinations of dimensions that there are."""
        of = table.of(self.site, self.tz or self.zone, self.tz is not None)
        dimensions = "".join(f", {DIMENSIONS[name][0]} as d{at}" for at, name in enumerate(self.by))
        inside = self.inside()
        table.connection.execute(self.expanded(f"""create or replace temp table matched as
            select {MATCHED}, {BUCKETS[self.interval]} as bucket, {inside} as inside{dimensions} from h x where {self.matching()}""").replace("from h ", f"from {of} "))
        table.connection.execute(f"create or replace temp view visits as select *, {BUCKETS[self.interval]} as bucket, {inside} as inside from visits_of_{of}")
        keys = [f"d{at}" for at in range(len(self.by))]
        timed = ["bucket"] if self.interval != "none" else []
        totals = self.sums(table, [], metrics).get((), {})
        combinations = {*table.ask(f"select distinct {', '.join(keys)} from matched where inside")} if keys else set()
        return self.sums(table, [*timed, *keys], metrics) if timed or keys else {(): totals}, totals, combinations

    def sums(self, table, keys, metrics):
        group = f"group by {', '.join(keys)}" if keys else ""
        named = "".join(f"{key}, " for key in keys)
        by_key = {}

        needed = {name for metric in metrics for name in {"engaged_time": ["engaged_ms"]}.get(metric, RATIOS.get(metric, [metric]))}

        def add(known, sql):
            sums = {name: known[name] for name in known if name in needed}
            if not sums:
                return
            for row in table.ask(f"select {named}{', '.join(sums.values())} from {sql} {group}"):
                by_key.setdefault(row[:len(keys)], {}).update(zip(sums, row[len(keys):]))

        add(OF_HITS, "matched where inside")
        keyed = "".join(f", m.{key}" for key in keys if key != "bucket")
        visits = f"""select v.vid, v.bucket{keyed}, any_value(v.visit_actions) as visit_actions, any_value(v.is_bounce) as is_bounce,
            any_value(v.visit_duration_s) as visit_duration_s, any_value(v.converted) as converted, coalesce(bool_or(m.first_page and path is not null), false) as entered,
            coalesce(bool_or(m.last_page and path is not null), false) as left_it from matched m join visits v on m.vid = v.vid where v.inside group by v.vid, v.bucket{keyed}"""
        add(OF_VISITS, f"({visits})")
        views = ", ".join(["vid", "coalesce(page_view, '')", *keys])
        add(OF_VIEWS, f"(select {named}max(scroll_percent) as depth from matched where inside and vid is not null and scroll_percent is not null group by {views})")
        return by_key


def added(answers):
    """Sums of several sites as one; values are different ones in each."""
    total = {}
    for answer in answers:
        for key, sums in answer.items():
            of = total.setdefault(key, {})
            for name, value in sums.items():
                of[name] = (of.get(name) or 0) + (value or 0)
    return total


def earlier(compare, first, last):
    """The dates that these are compared with: as many before, or a year earlier; whole months are whole months."""
    first, last = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    day = datetime.timedelta(days=1)
    whole = first.day == 1 and (last + day).day == 1
    month = lambda date, back: datetime.date((number := date.year * 12 + date.month - 1 - back) // 12, number % 12 + 1, 1)
    if compare == "previous":
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        return str(month(first, months) if whole else first - (last - first) - day), str(first - day)
    back = lambda date: date.replace(year=date.year - 1, day=28 if (date.month, date.day) == (2, 29) else date.day)
    return str(back(first)), str(month(last + day, 12) - day if whole else back(last))


def buckets(interval, first, last, zone):
    """Names of the buckets, in order; hours are those of a zone."""
    first, last = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    if interval == "hour":
        midnight = lambda date: int(datetime.datetime.combine(date, datetime.time(), zoneinfo.ZoneInfo(zone)).timestamp())
        quarters = range(midnight(first) // 900, midnight(last + datetime.timedelta(days=1)) // 900)
        return list(dict.fromkeys(moment(quarter, zone)["label"] for quarter in quarters))
    days = [first + datetime.timedelta(days=number) for number in range((last - first).days + 1)]
    of = {"none": lambda day: "", "day": str, "week": lambda day: str(day - datetime.timedelta(days=day.weekday())),
          "month": lambda day: f"{day:%Y-%m-01}", "year": lambda day: f"{day:%Y-01-01}"}[interval]
    return list(dict.fromkeys(map(of, days)))


def paths(include, exclude):
    below = lambda prefix: f"(path = {literal(prefix)} or starts_with(path, {literal(prefix + '/')}))"
    test = " or ".join(below(prefix.rstrip("/")) for prefix in include)
    out = " or ".join(below(prefix.rstrip("/")) for prefix in exclude) or "false"
    return [f"coalesce(({test}) and not ({out}), false)"]


def metric(name, sums):
    """A metric out of sums; what is not there is zero."""
    of = lambda sum_name: sums.get(sum_name) or 0
    if name == "engaged_time":
        return of("engaged_ms") * 0.001
    if name in RATIOS:
        part, whole = map(of, RATIOS[name])
        return part * FACTORS.get(name, 1) / whole if whole else None
    return of(name)
