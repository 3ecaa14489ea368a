"""Visits, actions and conversions in the words of the recordings, out of rows of the table."""

import itertools

TYPES = {"search": "search", "paid_search": "search", "social": "social", "paid_social": "social",
         "website": "website", "ai": "website", "email": "website", "display": "website"}
ACTIONS = {"pageview": "page_url", "search": "site_search", "event": "event", "download": "download",
           "outlink": "outlink", "content": "content"}


def time(row):
    return row["ts"].replace(microsecond=0).isoformat(" ")


def url(row):
    if row["path"] is None:
        return None
    return (row["host"] or "") + row["path"] + (f"?{row['query']}" if row["query"] else "")


def source(row, prefix=""):
    """Type, name and keyword of a row's referrer as Matomo has them."""
    channel, campaign = row[prefix + "channel"], row[prefix + "campaign"]
    if campaign is not None:
        return "campaign", campaign, row[prefix + "keyword"]
    if channel in (None, "direct", "internal"):
        return "direct", None, None
    return TYPES.get(channel, channel), row[prefix + "source"], row[prefix + "keyword"]


def visits(rows):
    """One dictionary a visit; `rows` has its hits, rows that the merge added left out."""
    of_visits = [row for row in rows if row["visit_id"] is not None]
    made = []
    for _, found in itertools.groupby(of_visits, key=lambda row: (row["site"], row["dt"], row["visit_id"])):
        everything = list(found)
        hits = [row for row in everything if not row["is_derived"]]
        pages = [row for row in hits if row["kind"] in ("pageview", "search")]
        moving = [row for row in hits if row["kind"] != "ping"]
        first = hits[0]
        kind, name, keyword = source(first)
        made.append({
            "idsite": first["site"], "idvisitor": first["visitor_id"], "visit_id": first["visit_id"],
            "first_action": min(map(time, hits)), "last_action": max(map(time, moving)),
            "nb_actions": first["visit_actions"],
            "nb_interactions": len(pages),
            "nb_searches": sum(row["kind"] == "search" for row in hits),
            "nb_events": sum(row["kind"] == "event" for row in hits),
            "total_time": first["visit_duration_s"],
            "visitor_returning": int(first["visitor_type"] == "returning"),
            "referrer_type": kind, "referrer_name": name, "referrer_keyword": keyword,
            "entry_url": at(pages[0], first["entry_path"]) if pages else None, "exit_url": at(pages[-1], first["exit_path"]) if pages else None,
            "exit_time": exit_time(hits),
            "exit_title": title(pages[-1]) if pages else None,
            "user_id": next((row["user_id"] for row in reversed(hits) if row["user_id"] is not None), None),
            "goal_converted": int(any(row["is_conversion"] for row in everything)),
            "rows": hits,
            **{f"custom_dimension_{number}": next((row[f"dimension{number}"] for row in reversed(hits) if row[f"dimension{number}"] is not None), None)
               for number in range(1, 21)},
        })
    return made


def at(row, path):
    """A page by its path as the visit's columns have it, on the host of a row."""
    return None if path is None else (row["host"] or "") + path


def exit_time(hits):
    """When the one row came that is marked as the visit's last; a ping stands for the request before it."""
    marked = [number for number, row in enumerate(hits) if row["is_exit"]]
    if len(marked) != 1:
        return None
    return max(time(row) for row in hits[:marked[0] + 1] if row["kind"] != "ping")


def title(row):
    return {"event": row["event_name"], "search": row["search_term"]}.get(row["kind"], row["title"])


def actions(visit):
    """The visit's actions, with the time since its previous request."""
    made, previous, position = [], None, 0
    for row in visit["rows"]:
        if row["kind"] in ACTIONS:
            position += row["kind"] in ("pageview", "search")
            gap = 0 if previous is None else min(1800, int((row["ts"].replace(microsecond=0) - previous).total_seconds()))
            made.append({
                "server_time": time(row), "type": ACTIONS[row["kind"]],
                "url": row["target"] if row["kind"] in ("download", "outlink") else url(row),
                "title": None if row["kind"] in ("download", "outlink") else title(row),
                "time_spent_on_previous": gap, "pageview_position": position or None, "time_on_page": row["time_on_page_s"],
                "event_category": row["event_category"], "event_action": row["event_action"],
                "custom_float": row["event_value"] if row["kind"] == "event" else None,
                "search_cat": row["search_category"], "search_count": row["search_results"],
                "time_network": row["network_ms"], "time_server": row["server_ms"], "time_transfer": row["transfer_ms"],
                "time_dom_processing": row["dom_processing_ms"], "time_dom_completion": row["dom_completion_ms"],
                "time_on_load": row["on_load_ms"],
                "content_name": row["content_name"], "content_piece": row["content_piece"],
                "content_target": row["target"] if row["kind"] == "content" else None,
                "content_interaction": row["content_interaction"],
                "row": row, "visit_id": row["visit_id"],
                **{f"custom_dimension_{number}": row[f"dimension{number}"] for number in range(1, 21)},
            })
        if row["kind"] != "ping":
            previous = row["ts"].replace(microsecond=0)
    return made


def conversions(rows):
    """Goals and orders; and of each visit the last state of its cart, which Matomo keeps beside them (goal -1)."""
    carts = {(row["site"], row["visit_id"]): row["hit_id"] for row in rows if row["kind"] == "order" and row["order_id"] is None}
    made = []
    for row in rows:
        if not row["is_conversion"] and row["hit_id"] not in carts.values():
            continue
        said = row["attributed_channel"] and (row["campaign"] is None or row["attributed_campaign"] is not None)
        kind, name, keyword = source(row, "attributed_") if said else source(row)
        made.append({
            "idsite": row["site"], "visit_id": row["visit_id"], "server_time": time(row),
            "idgoal": row["goal_id"] if row["kind"] == "goal" else (0 if row["order_id"] else -1), "idorder": row["order_id"],
            "revenue": row["revenue"] or 0, "url": url(row),
            "referrer_type": kind, "referrer_name": name, "referrer_keyword": keyword,
        })
    return made
