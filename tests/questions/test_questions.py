"""Random questions: what the program answers while hits wait is what DuckDB says after the merge.

CI asks the same ones each time, HITLAKE_QUESTIONS=SEED others; HITLAKE_SOAK asks so many times as many, each time anew.
"""

import itertools
import json
import math
import random
import re
import time
import urllib.parse

import duckdb
import pytest

import athena_emulator
import engines
import inputs
import said
import sql
import traffic
import harness
from harness import SOAK, Serve

QUESTIONS = 300
BODY = 500
# Of so many questions one has the SQL of a page compared, one is asked of Athena as well, and the SQL of one is read by a
# parser, which takes long. So many are run by Spark, which takes longer.
PAGES, BEYOND, PARSED, SPARK = 5, 6, 3, 10
SEED = harness.QUESTIONS_SEED
ZONES = {1: "Europe/Berlin", 2: "UTC"}
DATES = {1: [str(traffic.FIRST + traffic.datetime.timedelta(days=day)) for day in range(traffic.DAYS + 1)], 2: ["2015-05-17", "2015-05-18", "2015-05-19", "2015-05-20"]}
# Within the dates the clocks of Auckland go back by an hour, those of Lord Howe by half of one.
ASKED_ZONES = ["Asia/Kolkata", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "UTC"]
MATOMO_HITS = 80
SECTIONS = {"news": (["/news"], ["/news/x/"]), "shop": (["/shop/", "/blog"], [])}
SEGMENTS = {"uk": [[("country", "==", "GB")]], "readers": [[("visited_section", "==", "/news")], [("actions", ">", "1")]]}
OPERATORS = ["==", "!=", ">=", ">", "<=", "<", "=@", "!@", "=^", "=$"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory, shared):
    """Questions, each with the program's answer."""
    folder = tmp_path_factory.mktemp("questions")
    fake = athena_emulator.Athena()
    serve = Serve(folder / "data", fake.variables())
    fake.store = serve.data / "store"
    try:
        put_sites(serve)
        hits = traffic.make(1500, SEED)
        send(serve, [hit | {"site": 2} for hit in traffic.make(300, SEED + 1)])
        send(serve, hits[:len(hits) // 2])
        send_of_matomo(serve)
        done = serve.command("import", shared / "access-logs" / "apache_logs", "--site", 2)
        assert done.returncode == 0, done.stderr
        serve.drained()
        # The rest waits: of some dates only, so that both ways of reading are tried.
        waiting = [hit for hit in hits[len(hits) // 2:] if hit["ts"] % 2 or hit["ts"] < 1000 * (traffic.datetime.datetime.combine(traffic.FIRST, traffic.datetime.time(), traffic.ZONE).timestamp() + 3 * 86_400)]
        send(serve, waiting)
        appended(serve, len(hits[:len(hits) // 2]) + len(waiting) + MATOMO_HITS)
        values = Values(hits, serve.data / "store")
        chance = random.Random(SEED)
        questions = [Asked(chance, values) for _ in range(QUESTIONS * SOAK)]
        for question in questions:
            question.ask(serve)
        serve.drained()
        for number, question in enumerate(questions):
            question.explain(serve, number % PAGES == 0)
            if number % BEYOND == 0:
                question.ask_athena(serve)
        yield questions, sql.Table(serve.data / "store"), said.Table(serve.data / "store")
    finally:
        serve.kill()
        fake.stop()


def put_sites(serve):
    for site, zone in ZONES.items():
        settings = {"id": site, "name": "Shop", "timezone": zone, "ecommerce": True,
                    "sections": [{"name": name, "include": include, "exclude": exclude} for name, (include, exclude) in SECTIONS.items()],
                    "segments": [{"name": name, "filter": written(groups)} for name, groups in SEGMENTS.items()]}
        path = serve.data / "site.json"
        path.write_text(json.dumps(settings))
        done = serve.command("site", "put", path)
        assert done.returncode == 0, done.stderr
    serve.kill()
    serve.start()  # reads the settings anew


def send(serve, hits):
    for at in range(0, len(hits), BODY):
        status, headers, _ = serve.request("/hit", json.dumps(hits[at:at + BODY]).encode(), {"Authorization": f"Bearer {serve.token}"})
        assert (status, headers["Hitlake-Dropped"]) == (204, None)


def send_of_matomo(serve):
    """Nothing else says what time it is at the visitor's."""
    body = json.dumps(traffic.make_of_matomo(MATOMO_HITS, SEED + 2, serve.token))
    status, headers, answer = serve.request("/matomo.php", body.encode())
    assert (status, headers["Hitlake-Dropped"]) == (200, None), answer


def appended(serve, hits):
    """Waits until answers show all hits of site 1."""
    deadline = time.monotonic() + 20
    asked = f"metrics=hits&bots=include&from={DATES[1][0]}&to={DATES[1][-1]}"
    while (found := serve.metrics(asked)["totals"]["hits"]) != hits:
        assert time.monotonic() < deadline, f"{found} of {hits} hits after 20 seconds"
        time.sleep(0.1)


class Values:
    """Texts that names may have: those of the hits, and some that none has; ids are those that were given to merged hits."""

    def __init__(self, hits, store):
        texts = {"", "0", "x", "new", "returning", "direct", "website", "search", "campaign", "/", "pageviews", "events", "chrome", "Windows", "desktop", "smartphone",
                 "mobile", "unknown", "/presentations/", "semicomplete.com", "www.semicomplete.com", "/blog", "GET", "2-5", "0-10", "1", "other"}
        for hit in hits:
            texts |= {str(value) for value in hit.values() if isinstance(value, str)}
            texts |= {str(value) for nested in hit.values() if isinstance(nested, dict) for value in nested.values() if value is not None}
        ours = {"id", "ip", "user_agent", "page_view"}
        self.texts = sorted(texts - {hit[name] for hit in hits for name in ours & hit.keys()})
        # In an order that does not depend on the ids, which are others each time.
        ids = duckdb.sql(f"""select visitor_id, visit_id from read_parquet('{store}/hits/dt=*/*.parquet', union_by_name = true)
            where visit_id is not null order by site, ts, hit_id""").fetchall()
        self.ids = dict(zip(["visitorId", "visitId"], zip(*ids)))
        self.numbers = ["", "0", "1", "2", "2.5", "5", "7", "9", "10.25", "60", "100", "300", "-1"]


def condition(chance, values):
    name = chance.choice(list(sql.NAMES))
    rows, _, number, _ = sql.NAMES[name]
    if rows == "hit" and name not in ("hour_of_day", "weekday") and chance.random() < 0.35:
        name = f"visited_{name}"
    if number:
        return name, chance.choice(OPERATORS[:6] if (value := chance.choice(values.numbers)) else OPERATORS[:2]), value
    value = chance.choice(values.ids[name] if name in values.ids and chance.random() < 0.7 else values.texts)
    if value and chance.random() < 0.4:
        start = chance.randrange(len(value))
        value = value[start:start + chance.randrange(1, 8)]
    value = chance.choice([value, value.upper(), value.lower()])
    # What a URL is compared without is nothing by itself, and ">" before "=1" reads as ">=" before "1".
    if value and re.fullmatch(r"(https?://)?(www\.)?", value, re.IGNORECASE):
        value = "x"
    operator = chance.choice(OPERATORS if value else OPERATORS[:2])
    return name, operator, (value.lstrip("=") or "x") if operator in ("<", ">") else value


def written(groups, chance=None):
    """In the grammar; separators escaped in one way or the other."""
    def value(text):
        if chance and chance.random() < 0.5:
            return urllib.parse.quote(text, safe="")
        text = text.replace("%", "%25").replace("+", "%2B").replace("\\", "%5C")
        return text.replace(",", "\\,").replace(";", "\\;")

    return ";".join(",".join(f"{name}{operator}{value(text)}" for name, operator, text in group) for group in groups)


class Asked:
    """One random question, the program's answer, and the oracle's."""

    def __init__(self, chance, values):
        self.sites = chance.choice([[1], [1], [1], [2], [2], [1, 2]])
        first, last = sorted(chance.choices(DATES[self.sites[0]], k=2))
        tz = chance.choice([None, None, chance.choice(ASKED_ZONES)])
        self.metrics = chance.sample(sql.METRICS, chance.randint(1, 6))
        self.interval = chance.choice([*["none"] * 4, "hour", "day", "week", "month", "year"])
        if self.interval == "hour" and len(self.sites) > 1:
            tz = tz or "UTC"
        self.by = self.dimensions(chance)
        self.compare = chance.choice(["previous", "year"]) if chance.random() < 0.25 else None
        bots = chance.choice(["exclude", "exclude", "include", "only"])
        depth = chance.choice([1, 1, 2, 3])
        filters, segment, section = [], None, None
        if chance.random() < 0.7:
            filters = [[condition(chance, values) for _ in range(chance.choice([1, 1, 2, 3]))] for _ in range(chance.choice([1, 1, 2, 3]))]
        if chance.random() < 0.15:
            segment = chance.choice(list(SEGMENTS))
        if chance.random() < 0.15:
            section = chance.choice([*SECTIONS, "/news/", "/"])
        self.order = chance.choice([None, *self.metrics[:2], "-" + self.metrics[-1], *(f"-{name}" for name in self.by)])
        self.parameters = {"metrics": ",".join(self.metrics), "from": first, "to": last, "interval": self.interval, "by": ",".join(self.by), "bots": bots, "tz": tz,
                           "section_depth": depth, "filter": written(filters, chance), "segment": segment, "section": section, "compare": self.compare,
                           "order": self.order, "limit": 100_000}
        self.parameters = {name: value for name, value in self.parameters.items() if value}
        self.page = chance.choice([None, None, None, 1, 3, 10])
        self.posted = chance.random() < 0.3
        parts = [sql.Filter(groups) for groups in (filters, SEGMENTS.get(segment)) if groups]
        paths = SECTIONS.get(section, ([section], [])) if section else None
        of = lambda site, dates: sql.Question(site, ZONES[site], tz, *dates, self.interval, self.by, bots, paths, depth, parts)
        self.dates = [(first, last), *([sql.earlier(self.compare, first, last)] if self.compare else [])]
        self.oracles = [[of(site, dates) for site in self.sites] for dates in self.dates]

    @staticmethod
    def dimensions(chance):
        kinds = {None}
        by = []
        for name in chance.sample(list(sql.DIMENSIONS), chance.choice([0, 0, 1, 1, 2, 3])):
            kind = sql.DIMENSIONS[name][1]
            if len(kinds | {kind}) <= 2:
                kinds.add(kind)
                by.append(name)
        return by

    def ask(self, serve):
        self.answer = self.once(serve, self.parameters)
        self.pages = []
        if self.page and self.interval == "none":
            cursor = {}
            while len(self.pages) < 5 and cursor is not None:
                page = self.once(serve, self.parameters | cursor | {"limit": self.page})
                self.pages.append(page["rows"])
                cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None

    def explain(self, serve, paged):
        """The same asked again, with its SQL, now that nothing waits; perhaps a page of it, too."""
        self.explained = [self.once(serve, self.parameters | {"explain": "true"})]
        if paged and self.by:
            self.explained.append(self.once(serve, self.parameters | {"explain": "true", "limit": 3, "offset": 1}))

    def ask_athena(self, serve):
        """What `explain` asked, once more of Athena."""
        more = [{}, {"limit": 3, "offset": 1}][:len(self.explained)]
        self.beyond = [self.far(serve, self.parameters | page) for page in more]

    def far(self, serve, parameters):
        path = "/v1/queries" if self.posted else None
        status, headers, answer = self.send(serve, parameters | {"engine": "athena"}, path)
        while status == 202:
            assert headers["Retry-After"] and json.loads(answer)["state"] in ("queued", "running", "done"), answer
            status, headers, answer = serve.request(headers["Location"], headers={"Authorization": f"Bearer {serve.token}"})
        assert status == 200, (parameters, answer)
        return json.loads(answer)

    def once(self, serve, parameters):
        status, _, answer = self.send(serve, parameters)
        assert status == 200, (parameters, answer)
        return json.loads(answer)

    def send(self, serve, parameters, path=None):
        headers = {"Authorization": f"Bearer {serve.token}"}
        if self.posted:
            body = parameters | {"sites": self.sites, "metrics": self.metrics}
            return serve.request(path or "/v1/metrics", json.dumps(body).encode(), headers)
        if len(self.sites) > 1:
            return serve.request("/v1/metrics?sites=all&" + urllib.parse.urlencode(parameters), headers=headers)
        return serve.request(f"/v1/sites/{self.sites[0]}/metrics?" + urllib.parse.urlencode(parameters), headers=headers)

    def of(self, sums):
        return [sql.metric(name, sums) for name in self.metrics]

    def wrong(self, table):
        """What differs."""
        answers = []
        for oracles in self.oracles:
            by_row, totals, combinations = zip(*(oracle.answer(table, self.metrics) for oracle in oracles))
            answers.append([sql.added(by_row), sql.added([{(): of} for of in totals]).get((), {}), set().union(*combinations)])
        timed = ["time"] if self.interval != "none" else []
        key_of = lambda row: tuple(row[name] for name in [*timed, *self.by])
        rows = {key_of(row): row for row in self.answer["rows"]}
        by_row, totals, combinations = answers[0]
        different = {}

        def check(what, found, sums):
            if not same(found := [found[name] for name in self.metrics], expected := self.of(sums)):
                different[what] = found, expected

        for key in rows.keys() | by_row.keys():
            if key in rows:
                check(key, rows[key], by_row.get(key, {}))
            elif not same(self.of(by_row[key]), self.of({})):
                different[key] = "not answered"
        check("totals", self.answer["totals"], totals)
        if self.by and not self.parameters.get("tz") and self.answer["row_count"] != len(combinations):
            different["row_count"] = self.answer["row_count"], len(combinations)
        if self.interval == "none" and [key_of(row) for row in sorted(self.answer["rows"], key=self.place)] != list(rows):
            different["order"] = list(rows)[:5]
        if self.pages and [*itertools.chain(*self.pages)] != self.answer["rows"][:len(self.pages) * self.page]:
            different["pages"] = self.pages
        if self.compare:
            self.check_earlier(answers[1], rows, check)
        return different

    def check_earlier(self, earlier, rows, check):
        zone = self.parameters.get("tz") or ZONES[self.sites[0]]
        labels, before = (sql.buckets(self.interval, *dates, zone) for dates in self.dates)
        check("earlier totals", self.answer["totals"]["previous"], earlier[1])
        for key, row in rows.items():
            if self.interval == "none":
                check(("earlier", *key), row["previous"], earlier[0].get(key, {}))
            elif (at := labels.index(key[0])) < len(before):
                check(("earlier", *key), row["previous"], earlier[0].get((before[at], *key[1:]), {}))
            else:
                assert set(row["previous"].values()) == {None}
        for row in [*rows.values(), self.answer["totals"]]:
            for name in self.metrics:
                now, then = row[name], row["previous"][name]
                change = None if now is None or then is None else now - then
                rate = change / then if change is not None and then else None
                assert same([row["change"][name], row["change_rate"][name]], [change, rate]), (name, row)

    def place(self, row):
        """In the documented order: what was asked, the first metric from the largest, dimensions; null last."""
        def dimension(value):
            return (value is None, 0, b"") if value is None else (False, value, b"") if isinstance(value, int) else (False, 0, value.encode())

        def by_metric(name, descending):
            value = row[name]
            return (value is None, 0) if value is None else (False, -value if descending else value)

        first = by_metric(self.metrics[0], True), [dimension(row[name]) for name in self.by]
        if not self.order:
            return first
        name, descending = self.order.removeprefix("-"), self.order.startswith("-")
        if name in self.metrics:
            return by_metric(name, descending), *first
        value = dimension(row[name])
        return (value[0], Descending(value)) if descending else value, *first


class Descending:
    """Turns an order."""

    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        return other.value < self.value

    def __eq__(self, other):
        return other.value == self.value


def same(left, right):
    return all(a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(left, right, strict=True))


def test_answers_are_those_of_sql(asked):
    questions, table, _ = asked
    failed = []
    for question in questions:
        if wrong := question.wrong(table):
            failed.append(f"{question.parameters} of sites {question.sites}: {dict(list(wrong.items())[:3])}")
    shown = "\n".join(failed[:5])
    assert not failed, f"{len(failed)} of {len(questions)} differ; HITLAKE_QUESTIONS={SEED} asks them again\n{shown}"


def test_the_sql_of_a_question_says_the_same(asked):
    questions, _, table = asked
    failed = []
    for number, question in enumerate(questions):
        for answer in question.explained:
            shown = answer["explain"]["sql"]
            assert shown, (question.parameters, answer["explain"])
            if number % PARSED == 0:
                said.parse(shown)
            if wrong := said.differences(answer, table.ask(shown), question.metrics):
                failed.append(f"{question.parameters} of sites {question.sites}: {dict(list(wrong.items())[:3])}\n{shown}")
                break
    shown = "\n".join(failed[:3])
    assert not failed, f"{len(failed)} of {len(questions)} differ; HITLAKE_QUESTIONS={SEED} asks them again\n{shown}"


@pytest.fixture
def spark(asked, tmp_path_factory):
    table = said.Spark(engines.spark(tmp_path_factory.mktemp("spark")), asked[2].folder)
    yield table
    table.close()


def test_spark_says_the_same(asked, spark):
    questions, *_ = asked
    explained = [(question, answer) for question in questions for answer in question.explained]
    chosen = said.of_each_construct([answer["explain"]["sql"] for _, answer in explained], SPARK * SOAK)
    failed = []
    for question, answer in (explained[at] for at in chosen):
        if wrong := said.differences(answer, spark.ask(answer["explain"]["sql"]), question.metrics):
            failed.append(f"{question.parameters} of sites {question.sites}: {dict(list(wrong.items())[:3])}\n{answer['explain']['sql']}")
    shown = "\n".join(failed[:3])
    assert not failed, f"{len(failed)} of {len(chosen)} differ; HITLAKE_QUESTIONS={SEED} asks them again\n{shown}"


def test_athena_answers_the_same(asked):
    questions, *_ = asked
    of_athena = questions[::BEYOND]
    failed = []
    for question in of_athena:
        for answer, expected in zip(question.beyond, question.explained, strict=True):
            if wrong := unlike(answer, {name: value for name, value in expected.items() if name != "explain"}):
                failed.append(f"{question.parameters} of sites {question.sites}: {wrong}")
    shown = "\n".join(failed[:3])
    assert not failed, f"{len(failed)} of {len(of_athena)} differ; HITLAKE_QUESTIONS={SEED} asks them again\n{shown}"


def unlike(found, expected, at=""):
    """Where two answers differ, sums of doubles by more than their order may; as_of and cursors are of one answer."""
    if at.endswith((".as_of", ".next_cursor")):
        return None if (found is None) == (expected is None) else (at, found, expected)
    if isinstance(expected, float) and isinstance(found, int | float):
        return None if math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9) else (at, found, expected)
    if type(found) is not type(expected) or isinstance(expected, dict | list) and len(found) != len(expected):
        return at, found, expected
    if isinstance(expected, dict):
        if list(found) != list(expected):
            return at, list(found), list(expected)
        return next(filter(None, (unlike(found[name], expected[name], f"{at}.{name}") for name in expected)), None)
    if isinstance(expected, list):
        return next(filter(None, (unlike(one, other, f"{at}[{number}]") for number, (one, other) in enumerate(zip(found, expected)))), None)
    return None if found == expected else (at, found, expected)


def test_the_questions_are_worth_asking(asked):
    questions, *_ = asked
    full = sum(any(question.answer["totals"].get(name) for name in question.metrics) for question in questions)
    assert full > len(questions) / 3, f"HITLAKE_QUESTIONS={SEED}: {full} of {len(questions)} answers are not empty"
    names = {name for question in questions for name in re.findall(r"\b(visitorId|visitId|visitLocalHour)\b", question.parameters.get("filter", ""))}
    assert SOAK == 1 or names == {"visitorId", "visitId", "visitLocalHour"}, names
