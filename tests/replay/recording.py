"""One file of recorded tracking requests (`matomo-replay/1`): its settings as ours, its requests, what Matomo made of them."""

import dataclasses
import json
import urllib.parse

MATCHES = {"manually": "manual", "file": "download", "external_website": "outlink"}
KEYWORDS = ["q", "query", "s", "search", "searchword", "k", "keyword"]


@dataclasses.dataclass
class Recording:
    name: str
    sites: list
    requests: list
    visits: list
    actions: list
    conversions: list
    reports: list

    @classmethod
    def read(cls, path):
        data = json.loads(path.read_text())
        expected = data["expected"]
        return cls(path.stem, settings(data), data["requests"], expected["visits"], expected["actions"],
                   expected.get("conversions") or [], expected.get("reports") or [])


def settings(data):
    """Our settings of each of the recording's sites."""
    return [{
        "id": site["idsite"],
        "name": site["name"],
        "timezone": site["timezone"],
        "currency": site["currency"],
        "hosts": [urllib.parse.urlsplit(url).netloc for url in site["urls"]],
        "exclude_unknown_hosts": bool(site["exclude_unknown_urls"]),
        "excluded_parameters": listed(site["excluded_parameters"]),
        "excluded_ips": listed(site["excluded_ips"]),
        "excluded_user_agents": listed(site["excluded_user_agents"]),
        "keep_fragment": bool(site["keep_url_fragment"]),
        "title_delimiter": data["settings"]["general"]["action_title_category_delimiter"],
        "honour": ["dnt"] if data["settings"].get("do_not_track_respected") else [],
        "country_fallback": "language",
        "new_visit_on_referrer": bool(data["settings"]["tracker"]["create_new_visit_when_website_referrer_changes"]),
        "ecommerce": bool(site["ecommerce"]),
        "site_search": {
            "on": bool(site["sitesearch"]),
            "keyword": listed(site["sitesearch_keyword_parameters"]) or KEYWORDS,
            "category": listed(site["sitesearch_category_parameters"]),
        },
        "goals": [goal(given) for given in data["goals"] if given["idsite"] == site["idsite"]],
        "dimensions": [dimension(given) for given in data["custom_dimensions"] if given.get("idsite") == site["idsite"]],
    } for site in data["sites"]]


def goal(given):
    return {
        "id": given["idgoal"],
        "name": given["name"],
        "match": MATCHES.get(given["match_attribute"], given["match_attribute"]),
        "type": given["pattern_type"] or "contains",
        "pattern": given["pattern"],
        "case_sensitive": bool(given["case_sensitive"]),
        "once_per_visit": not given["allow_multiple"],
        "revenue": given["revenue"],
        "event_value_as_revenue": bool(given["event_value_as_revenue"]),
    }


def dimension(given):
    return {
        "id": given.get("index") or given.get("idcustomdimension") or given["id"],
        "name": given["name"],
        "scope": given["scope"],
        "active": bool(given.get("active", 1)),
    }


def listed(text):
    return [part.strip() for part in (text or "").split(",") if part.strip()]
