"""Beacons over the wire: limits, what is said of dropped hits, and settings that are refused."""

import base64
import json

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


def hit(**fields):
    return {"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/a", **fields}


def test_hits_at_and_above_the_limits(serve):
    for count, status in [(500, 204), (501, 413)]:
        assert serve.request("/hit", json.dumps([hit()] * count).encode(), BROWSER)[0] == status
    body = json.dumps(hit()).encode()
    limit = 4 * 1024 * 1024
    assert serve.request("/hit", body + b" " * (limit - len(body)), BROWSER)[0] == 204
    assert serve.request("/hit", body + b" " * (limit + 1 - len(body)), BROWSER)[0] == 413


def test_a_write_token_gives_time_and_address(serve):
    body = json.dumps(hit(ts=1_431_857_103_000, ip="198.51.100.9")).encode()
    _, headers, _ = serve.request("/hit", body, BROWSER)
    assert headers["Hitlake-Dropped"] == "clock=1"
    _, headers, _ = serve.request("/hit", body, {**BROWSER, "Authorization": f"Bearer {serve.token}"})
    assert (headers["Hitlake-Accepted"], headers["Hitlake-Dropped"]) == ("1", None)
    serve.drained()
    assert serve.metrics("metrics=pageviews&from=2015-05-17&to=2015-05-17")["totals"]["pageviews"] == 1
    for path in (serve.data / "store").rglob("*"):
        assert path.is_dir() or b"198.51.100.9" not in path.read_bytes()


def test_matomo_answers_as_matomo(serve):
    status, headers, body = serve.request("/matomo.php?idsite=1&rec=1&url=https%3A%2F%2Fshop.example%2F", headers=BROWSER)
    assert (status, headers["Content-Type"], body) == (200, "image/gif", GIF)
    assert serve.request("/matomo.php?idsite=1&rec=1&send_image=0", headers=BROWSER)[0] == 204
    status, _, body = serve.request("/matomo.php?idsite=99&rec=1", headers=BROWSER)
    assert status == 400 and body.startswith(GIF) and len(body) > len(GIF)
    status, headers, body = serve.request("/piwik.php", b'{"requests":["?idsite=1&rec=1","?idsite=99&rec=1"]}', {**BROWSER, "Origin": "https://shop.example"})
    assert json.loads(body) == {"status": "success", "tracked": 1, "invalid": 1}
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_nested_settings_are_checked(serve):
    settings = serve.data / "site.json"
    for given, said in [
        ({"id": 2, "goals": [{"id": 1, "name": "x", "patern": "y"}]}, "unknown key goals[0].patern; did you mean pattern?"),
        ({"id": 2, "goals": [{"id": 1, "name": "x", "match": "urll"}]}, 'goals[0].match is "urll"; allowed: manual, url'),
        ({"id": 2, "hosts": ["shop.example:8080"]}, "without scheme, port and path"),
    ]:
        settings.write_text(json.dumps(given))
        refused = serve.command("site", "put", settings)
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
