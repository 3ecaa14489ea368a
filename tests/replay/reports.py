"""Compares recorded reports with what the metrics API answers, number by number.

A report is asked of the API by the metrics and dimensions that say the same; what no metric of ours
says (largest number of actions, page performance by part, ...) is not compared.
"""

import collections
import datetime
import html
import urllib.parse

SUMMARY = {"nb_uniq_visitors": "visitors", "nb_users": "users", "nb_visits": "visits", "nb_actions": "actions",
           "nb_visits_converted": "converted_visits", "bounce_count": "bounces", "sum_visit_length": "visit_duration",
           "bounce_rate": "bounce_rate", "nb_actions_per_visit": "actions_per_visit", "avg_time_on_site": "avg_visit_duration"}
# Matomo rounds these; sums are compared as they are.
DECIMALS = {"bounce_rate": 2, "nb_actions_per_visit": 1, "avg_time_on_site": 0}
VISITS = {"nb_visits": "visits", "nb_actions": "actions", "sum_visit_length": "visit_duration", "bounce_count": "bounces",
          "nb_visits_converted": "converted_visits"}
EVENTS = {"nb_visits": "unique_events", "nb_events": "events", "sum_event_value": "event_value"}
GOALS = {"nb_conversions": "conversions", "nb_visits_converted": "converted_visits", "revenue": "revenue"}
ACTIONS = {"nb_pageviews": "pageviews", "nb_downloads": "downloads", "nb_outlinks": "outlinks", "nb_searches": "searches"}
UNIQUE = {"nb_uniq_pageviews": ("unique_pageviews", "page"), "nb_uniq_downloads": ("unique_downloads", "download"),
          "nb_uniq_outlinks": ("unique_outlinks", "outlink")}
TYPES = {"Direct Entry": "direct", "Search Engines": "search", "Websites": "website", "Campaigns": "campaign", "Social Networks": "social"}
OF_CHANNEL = {"direct": "direct", "internal": "direct", "search": "search", "social": "social"}
DEVICES = {"Desktop": "desktop", "Smartphone": "mobile", "Tablet": "tablet"}
DURATIONS = ["0-10", "11-30", "31-60", "61-120", "121-240", "241-420", "421-600", "601-900", "901-1800", "1801+"]
COUNTS = ["1", "2", "3", "4", "5", "6-7", "8-10", "11-14", "15-20", "21+"]


def compare(recording, ask):
    """Yields (number of the report, its method, label, field, Matomo's value, ours); `ask(site, parameters)` gives an answer's body."""
    for number, report in enumerate(recording.reports):
        params = report["params"]
        asked = Asked(ask, params)
        compared = REPORTS.get(params.get("method"))
        if compared and asked.can_be_asked() and answered(report["result"]):
            for label, field, expected, found in compared(report["result"], asked):
                yield number, params["method"], label, field, expected, found


def answered(result):
    return isinstance(result, list) and all(isinstance(row, dict) for row in result) or isinstance(result, dict) and "error" not in result


class Asked:
    """One report's site and range, and the API asked of them."""

    def __init__(self, ask, params):
        self.ask, self.params = ask, params
        self.answers = {}

    def can_be_asked(self):
        known = {"method", "idSite", "period", "date", "expanded", "flat", "hideColumns", "showColumns", "format_metrics", "_setReferrerTypeLabel", "segment"}
        site, date = self.params.get("idSite"), self.params.get("date")
        several = self.params.get("period") != "range" and "," in (date or "")
        return bool(date) and str(site).isdigit() and not several and set(self.params) <= known

    def range(self):
        period, date = self.params["period"], self.params["date"]
        if period == "range":
            return date.split(",")
        first = last = datetime.date.fromisoformat(date)
        if period == "week":
            first = last - datetime.timedelta(days=last.weekday())
            last = first + datetime.timedelta(days=6)
        if period == "month":
            first = first.replace(day=1)
            last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
        if period == "year":
            first, last = first.replace(month=1, day=1), first.replace(month=12, day=31)
        return first.isoformat(), last.isoformat()

    def rows(self, metrics, *by, **more):
        """Rows of the answer, each with its dimensions' values, the totals first asked for being one row."""
        first, last = self.range()
        parameters = {"metrics": ",".join(metrics), "from": first, "to": last, "limit": 100000, **more}
        if by:
            parameters["by"] = ",".join(by)
        if segment := self.params.get("segment"):
            parameters["filter"] = segment
        return self.ask(self.params["idSite"], parameters)["rows"]

    def sums(self, metrics, *by, key, **more):
        """Sums of additive metrics by `key(row)`; rows without a key are left out."""
        sums = collections.defaultdict(lambda: dict.fromkeys(metrics, 0))
        for row in self.rows(metrics, *by, **more):
            label = key(row)
            if label is not None:
                for metric in metrics:
                    sums[label][metric] += row[metric] or 0
        return sums


def same(expected, found, decimals=None):
    """Matomo writes some numbers as text, and some percentages with their sign."""
    if isinstance(expected, str) and expected.endswith("%"):
        expected, decimals = float(expected[:-1]) / 100, 2
    expected, found = float(expected or 0), float(found or 0)
    if decimals is not None:
        return abs(expected - found) <= 0.5 * 10 ** -decimals + 1e-9
    return abs(expected - found) < 0.005


def listed(expected, metrics, found, key):
    """Compares a list of rows with sums by label: those of ours that Matomo has not got count as well."""
    wanted = collections.defaultdict(lambda: collections.defaultdict(float))
    fields = set()
    for row in expected:
        label = key(row)
        if label is None:
            continue
        for field in metrics:
            if field in row:
                fields.add(field)
                wanted[label][field] += float(row[field] or 0)
    for label in sorted(set(wanted) | set(found), key=str):
        for field in sorted(fields):
            want, got = wanted[label][field], found[label][metrics[field]] if label in found else 0
            if want or got:
                yield label, field, want, got


def summary(expected, asked):
    row = (asked.rows(list(SUMMARY.values())) or [{}])[0]
    for field, metric in SUMMARY.items():
        exact_people = field != "nb_uniq_visitors" or asked.params["period"] == "day"
        if field in expected and exact_people:
            yield None, field, expected[field], row.get(metric)


def actions(expected, asked):
    row = (asked.rows(list(ACTIONS.values())) or [{}])[0]
    for field, metric in ACTIONS.items():
        if field in expected:
            yield None, field, expected[field], row.get(metric)
    for field, (metric, by) in UNIQUE.items():
        # Matomo's total is the sum over the pages, ours the visits that saw any.
        if field in expected:
            yield None, field, expected[field], sum(row[metric] for row in asked.rows([metric], by) if row[by] is not None)


def url_of(row):
    url = urllib.parse.urlsplit(html.unescape(row.get("url") or ""))
    return url if url.netloc else None


def path_of(row):
    url = url_of(row)
    if url is None:
        return None
    return plain((url.path or "/") + (f"?{url.query}" if url.query else ""))


def plain(text):
    return html.unescape(urllib.parse.unquote(text)).strip() if text else text


def leaves(rows, above=()):
    """The rows of a report without those that sum others up, each with the labels above it; nothing where a tree is cut off."""
    made = []
    for row in rows:
        if "subtable" in row:
            below = leaves(row["subtable"], (*above, row["label"]))
        else:
            below = None if "idsubdatatable" in row else [{**row, "above": above}]
        if below is None:
            return None
        made += below
    return made


def pages(by, metrics):
    def compared(expected, asked):
        rows = leaves(expected)
        if rows is not None:
            found = asked.sums(list(metrics.values()), by, key=lambda row: plain(row[by]))
            yield from listed(rows, metrics, found, path_of)
    return compared


def titles(expected, asked):
    metrics = {"nb_visits": "unique_pageviews", "nb_hits": "pageviews", "sum_time_spent": "time_on_page"}
    rows = leaves(expected)
    if rows is not None:
        found = asked.sums(list(metrics.values()), "title", key=lambda row: squeezed(row["title"]))
        yield from listed(rows, metrics, found, title_of)


def title_of(row):
    whole = "/".join([*row["above"], row["label"]])
    return None if "not defined" in whole else squeezed(whole)


def squeezed(text):
    """A title without the spaces round its delimiter: Matomo puts its levels together anew."""
    return "/".join(part.strip() for part in plain(text).split("/")) if text else None


def targets(by, metrics):
    def key(row):
        return plain(row["url"].split("://", 1)[-1].removeprefix("www.")) if row.get("url") else None

    def compared(expected, asked):
        rows = expected if asked.params.get("flat") == "1" else [leaf for row in expected for leaf in row.get("subtable", [row])]
        found = asked.sums(list(metrics.values()), by, key=lambda row: plain((row[by] or "").split("://", 1)[-1].removeprefix("www.")) or None)
        yield from listed(rows, metrics, found, key)
    return compared


def type_of(row):
    return "campaign" if row["campaign"] is not None else OF_CHANNEL.get(row["channel"], "website")


def referrer_types(expected, asked):
    found = asked.sums(list(VISITS.values()), "channel", "campaign", key=type_of)
    yield from listed(expected, VISITS, found, lambda row: TYPES.get(row["label"]))


def referrers(kind, by):
    def key(row):
        return plain(row[by] or "Keyword not defined").lower() if type_of(row) == kind else None

    def compared(expected, asked):
        dimensions = ["channel", "campaign"] if by == "campaign" else ["channel", "campaign", by]
        found = asked.sums(list(VISITS.values()), *dimensions, key=key)
        yield from listed(expected, VISITS, found, lambda row: plain(row["label"]).lower())
    return compared


def referrer_counts(expected, asked):
    found = asked.sums(["visits"], "channel", "campaign", key=type_of)
    for field, kind in {"SearchEngines": "search", "SocialNetworks": "social", "DirectEntry": "direct", "Websites": "website", "Campaigns": "campaign"}.items():
        yield None, "visitorsFrom" + field, expected["Referrers_visitorsFrom" + field], found[kind]["visits"]


def frequency(expected, asked):
    if asked.params["period"] != "day":
        return  # who returned over several dates is not known by design: one date decides
    metrics = {field: metric for field, metric in VISITS.items()}
    rows = asked.sums(list(metrics.values()), "visitor_type", key=lambda row: row["visitor_type"])
    for kind in ("new", "returning"):
        for field, metric in metrics.items():
            yield kind, field, expected[f"{field}_{kind}"], rows[kind][metric]


def bands(by, names, metrics, key=None):
    def compared(expected, asked):
        found = asked.sums(list(metrics.values()), by, key=lambda row: "unknown" if row[by] is None else str(row[by]).lower())
        labels = iter(names or ())
        yield from listed(expected, metrics, found, key or (lambda row: next(labels)))
    return compared


def hours(expected, asked):
    """A visit counts in the hour that it began in: `hour_of_day` is the hour of each of its hits."""
    found = asked.sums(list(VISITS.values()), key=lambda row: str(datetime.datetime.fromisoformat(row["time"]).hour), interval="hour")
    yield from listed(expected, VISITS, found, lambda row: str(int(row["label"])))


def events(by):
    """Matomo counts a visit for each combination of category, action and name that it has."""
    def compared(expected, asked):
        found = asked.sums(list(EVENTS.values()), "event_category", "event_action", "event_name", key=lambda row: row[by])
        yield from listed(expected, EVENTS, found, lambda row: plain(row["label"]) if "not defined" not in row["label"] else None)
    return compared


def goals(expected, asked):
    row = (asked.rows(list(GOALS.values())) or [{}])[0]
    for field, metric in GOALS.items():
        yield None, field, expected[field], row.get(metric)


PAGES = {"nb_visits": "unique_pageviews", "nb_hits": "pageviews", "sum_time_spent": "time_on_page"}
ENTRIES = {"entry_nb_visits": "entries", "entry_bounce_count": "bounces", "entry_sum_visit_length": "visit_duration", "entry_nb_actions": "actions"}
REPORTS = {
    "VisitsSummary.get": summary,
    "Actions.get": actions,
    "Actions.getPageUrls": pages("page", PAGES),
    "Actions.getEntryPageUrls": pages("entry_page", ENTRIES),
    "Actions.getExitPageUrls": pages("exit_page", {"exit_nb_visits": "exits"}),
    "Actions.getPageTitles": titles,
    "Actions.getDownloads": targets("download", {"nb_visits": "unique_downloads", "nb_hits": "downloads"}),
    "Actions.getOutlinks": targets("outlink", {"nb_visits": "unique_outlinks", "nb_hits": "outlinks"}),
    "Referrers.getReferrerType": referrer_types,
    "Referrers.get": referrer_counts,
    "Referrers.getKeywords": referrers("search", "keyword"),
    "Referrers.getSearchEngines": referrers("search", "source"),
    "Referrers.getWebsites": referrers("website", "source"),
    "Referrers.getSocials": referrers("social", "source"),
    "Referrers.getCampaigns": referrers("campaign", "campaign"),
    "VisitFrequency.get": frequency,
    "VisitTime.getVisitInformationPerServerTime": hours,
    "VisitTime.getByDayOfWeek": bands("weekday", None, VISITS, lambda row: str(row["day_of_week"])),
    "Events.getCategory": events("event_category"),
    "Events.getAction": events("event_action"),
    "Events.getName": events("event_name"),
    "DevicesDetection.getType": bands("device", None, VISITS, lambda row: DEVICES.get(row["label"], row["label"].lower())),
    "VisitorInterest.getNumberOfVisitsPerVisitDuration": bands("duration_band", DURATIONS, {"nb_visits": "visits"}),
    "VisitorInterest.getNumberOfVisitsPerPage": bands("actions_band", COUNTS, {"nb_visits": "visits"}),
    "Goals.get": goals,
}
