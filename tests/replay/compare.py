"""Compares what Hitlake made of a recording with what Matomo made of it, field by field."""

import collections
import html

import ours
import reports

VISIT_FIELDS = ["first_action", "last_action", "nb_actions", "nb_interactions", "nb_searches", "nb_events", "total_time",
                "exit_time", "visitor_returning", "referrer_type", "referrer_name", "referrer_keyword", "entry_url", "exit_url",
                "exit_title", "user_id", "goal_converted"] \
    + [f"custom_dimension_{number}" for number in range(1, 21)]
ACTION_FIELDS = ["visit", "server_time", "type", "url", "title", "time_spent_on_previous", "time_on_page", "pageview_position",
                 "event_category", "event_action", "custom_float", "search_cat", "search_count", "time_network",
                 "time_server", "time_transfer", "time_dom_processing", "time_dom_completion", "time_on_load",
                 "content_name", "content_piece", "content_target", "content_interaction"] \
    + [f"custom_dimension_{number}" for number in range(1, 21)]
CONVERSION_FIELDS = ["visit", "server_time", "idgoal", "idorder", "revenue", "referrer_type", "referrer_name", "referrer_keyword"]
URLS = {"entry_url", "exit_url", "url"}


class Agreement:
    """Agreeing and compared values by field, and every difference."""

    def __init__(self):
        self.fields = collections.defaultdict(lambda: [0, 0])
        self.items = collections.defaultdict(lambda: [0, 0])
        self.differences = []

    def compare(self, kind, number, expected, found, fields):
        """One item: none found is a difference in each of its fields."""
        good = found is not None
        if found is None:
            self.differences.append((kind, number, "*", brief(expected), None))
        for field in fields:
            if field not in expected:
                continue
            same = found is not None and plain(field, expected[field]) == plain(field, found.get(field))
            self.fields[kind, field][0] += same
            self.fields[kind, field][1] += 1
            if found is not None and not same:
                good = False
                self.differences.append((kind, number, field, expected[field], found.get(field)))
        self.items[kind][0] += good
        self.items[kind][1] += 1

    def reports(self, compared):
        """Numbers of reports, by method; one item is one report."""
        wrong = set()
        for number, method, label, field, expected, found in compared:
            good = reports.same(expected, found, reports.DECIMALS.get(field))
            self.fields["report", method][0] += good
            self.fields["report", method][1] += 1
            if not good:
                wrong.add(number)
                self.differences.append(("report", number, f"{method} {label} {field}", expected, found))
        numbers = {number for number, *_ in compared}
        self.items["report"] = [len(numbers - wrong), len(numbers)]

    def surplus(self, kind, found):
        for one in found:
            self.differences.append((kind, None, "+", None, brief(one)))


def brief(one):
    keys = ("idsite", "visit", "first_action", "server_time", "type", "idgoal", "url", "entry_url")
    return {key: one[key] for key in keys if one.get(key) is not None}


def plain(field, value):
    """Both sides in one form: no markup, no scheme, one form of the root, numbers as numbers."""
    if value is None or value == "":
        return 0 if field in ("revenue", "visitor_returning") else None
    if field == "visitor_returning":
        return min(int(value), 1)
    if field == "revenue":
        return round(float(value), 2)
    if field == "custom_float":
        return float(value)
    if not isinstance(value, str):
        return value
    value = html.unescape(value).strip()
    if field in URLS:
        value = value.split("://", 1)[-1]
        value = value.removeprefix("www.")
        return value if "/" in value else value + "/"
    return value


def compare(recording, rows):
    agreement = Agreement()
    found = ours.visits(rows)
    pairs = matched(recording.visits, found)
    for visit in recording.visits:
        visit["exit_time"] = visit["last_action"]
        fields = [field for field in VISIT_FIELDS if field != "visitor_returning" or decided(visit, recording.visits)]
        agreement.compare("visit", visit["visit"], visit, pairs.get(visit["visit"]), fields)
    taken = {id(pair) for pair in pairs.values()}
    agreement.surplus("visit", [one for one in found if id(one) not in taken])
    number_of = {(pair["idsite"], pair["visit_id"]): number for number, pair in pairs.items()}
    site_of = {visit["visit"]: visit["idsite"] for visit in recording.visits}
    done = [{**one, "visit": number_of.get((visit["idsite"], visit["visit_id"])), "idsite": visit["idsite"]}
            for visit in found for one in ours.actions(visit)]
    times_on_pages(recording.actions)
    same_items(agreement, "action", recording.actions, done, site_of, ACTION_FIELDS)
    made = [{**one, "visit": number_of.get((one["idsite"], one["visit_id"]))} for one in ours.conversions(rows)]
    same_items(agreement, "conversion", recording.conversions, made, site_of, CONVERSION_FIELDS)
    return agreement


def times_on_pages(actions):
    """Writes to each recorded page the time that was spent on it: up to the next page, but for what led to events; none where nothing follows."""
    pages = {}
    for action in actions:
        page = pages.get(action["visit"])
        if page is not None and action["type"] != "event":
            page["time_on_page"] = (page["time_on_page"] or 0) + (action.get("time_spent_on_previous") or 0)
        if action["type"] in ("page_url", "site_search"):
            pages[action["visit"]] = action
            action["time_on_page"] = None


def decided(visit, visits):
    """Whether the visit's date alone says whether the visitor was known: no earlier visit of his on another date."""
    earlier = [one for one in visits if one["idsite"] == visit["idsite"] and one["idvisitor"] == visit["idvisitor"]
               and one["first_action"] < visit["first_action"]]
    return all(one["first_action"][:10] == visit["first_action"][:10] for one in earlier)


def matched(expected, found):
    """Number of the recorded visit -> ours, the most alike first; of one site, overlapping in time."""
    weights = {"first_action": 8, "last_action": 4, "idvisitor": 4, "nb_actions": 3, "entry_url": 2, "exit_url": 2,
               "referrer_name": 2, "total_time": 1}
    candidates = []
    for one in expected:
        for index, other in enumerate(found):
            apart = one["last_action"] < other["first_action"] or other["last_action"] < one["first_action"]
            if one["idsite"] == other["idsite"] and not apart:
                score = sum(weight for field, weight in weights.items() if plain(field, one.get(field)) == plain(field, other.get(field)))
                candidates.append((-score, one["visit"], index))
    return assigned(candidates, found)


def assigned(candidates, found):
    pairs, taken = {}, set()
    for _, key, index in sorted(candidates):
        if key not in pairs and index not in taken:
            pairs[key] = found[index]
            taken.add(index)
    return pairs


def same_items(agreement, kind, expected, found, site_of, fields):
    """Actions or conversions: matched within a site by time, then by likeness."""
    candidates = []
    for number, one in enumerate(expected):
        for index, other in enumerate(found):
            if site_of[one["visit"]] == other["idsite"] and one["server_time"] == other["server_time"]:
                score = sum(2 if field in ("url", "title", "visit", "event_action", "idgoal") else 1
                            for field in fields if field in one and plain(field, one[field]) == plain(field, other.get(field)))
                candidates.append((-score, number, index))
    pairs = assigned(candidates, found)
    for number, one in enumerate(expected):
        agreement.compare(kind, number + 1, one, pairs.get(number), fields)
    taken = {id(pair) for pair in pairs.values()}
    agreement.surplus(kind, [one for one in found if id(one) not in taken])
