"""The tracker in a real browser: what the demo page of a running serve sends is in the table."""

import json
import os
import shutil
import subprocess
import urllib.parse

import pytest

import harness
import oracle

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
SITE = 1


@pytest.fixture
def walk(serve):
    """What one walk through the demo page sent: kinds with their counts, and ids."""
    browser = shutil.which(CHROMIUM)
    assert browser, "the browser test needs Chromium; run tests/tools browser"
    done = subprocess.run(
        ["node", harness.ROOT / "tests" / "browser" / "drive.mjs", serve.url, serve.token],
        env={**os.environ, "CHROMIUM": browser}, capture_output=True, text=True, timeout=300)
    # The driver itself fails when the page keeps a cookie or sends in spite of Global Privacy Control.
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_a_visitor_does_is_in_the_table(serve, walk):
    serve.drained()
    table = oracle.Table(serve.data / "store", SITE)
    ids = walk.pop("ids")
    assert len(ids) == len(set(ids)) == sum(walk.values())
    assert table.ids() == sorted(ids), "the rows are the hits that the page sent, each once"
    assert table.kinds() == walk

    pages = table.sql("select path, query from ROWS where kind = 'pageview' order by ts")
    assert [path for path, _ in pages] == ["/demo", "/demo"]
    assert pages[1][1] == "page=pricing", "the navigation within the page is a page view of its own"
    ((download,), (outlink,)) = (table.sql(f"select target from ROWS where kind = '{kind}'")[0] for kind in ("download", "outlink"))
    assert urllib.parse.urlsplit(download).netloc == serve.url.removeprefix("http://")
    assert urllib.parse.urlsplit(outlink).netloc not in ("", urllib.parse.urlsplit(serve.url).netloc)
    ((category, action),) = table.sql("select event_category, event_action from ROWS where kind = 'event'")
    assert category and action
    assert table.sql("select search_term from ROWS where kind = 'search'") == [("pay",)]
    ((engaged_ms,),) = table.sql("select max(engaged_ms) from ROWS where kind = 'ping'")
    assert engaged_ms > 0

    # One person, one visit.
    assert table.totals(["visits", "visitors"]) == {"visits": 1, "visitors": 1}
    answer = serve.metrics("metrics=pageviews,downloads,outlinks,events,visits,visitors&bots=include")["totals"]
    assert answer == table.totals(["pageviews", "downloads", "outlinks", "events", "visits", "visitors"])
