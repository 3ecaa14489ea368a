"""Twelve questions, asked of Hitlake, DuckDB and chDB over the same objects, in turn; docs/BENCHMARKS.md.

Each answers in a process of its own, warm, with two threads. What is timed is the way from the question to the whole
answer, by the clock and by the processor time of the process; answers must be equal. Then Hitlake alone over a store
that adds 20 ms to each call, and in processes that have just started.

    python tests/bench/questions.py [--hits 10000000] [--rounds 7] [--write]
"""

import argparse
import dataclasses
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "BENCHMARKS.md"
FIRST, LAST = datetime.date(2026, 8, 1), datetime.date(2026, 10, 29)
LARGE, SMALL = 1, 15
THREADS = 2
DELAY_MS = 20
COUNTED_DELAY_MS = 250
PEOPLE = "bot_reason IS NULL"
PAGE_OF = "path || coalesce('?' || query, '')"
DOWNLOADED = "/section-3/article-3"


def days(count):
    return str(LAST - datetime.timedelta(days=count - 1)), str(LAST)


@dataclasses.dataclass
class Question:
    """One question: the API's parameters, the columns of its answer, the same in SQL."""

    name: str
    of_visits: bool
    parameters: dict
    columns: list
    sql: str
    sites: str = str(LARGE)
    dates: tuple = dataclasses.field(default_factory=lambda: days(90))

    def path(self):
        asked = {"from": self.dates[0], "to": self.dates[1], **self.parameters}
        if self.sites == "all":
            return "/v1/metrics?" + urllib.parse.urlencode({"sites": "all", **asked})
        return f"/v1/sites/{self.sites}/metrics?" + urllib.parse.urlencode(asked)

    def where(self):
        site = "" if self.sites == "all" else f"site = {self.sites} AND "
        return f"{site}dt BETWEEN '{self.dates[0]}' AND '{self.dates[1]}' AND {PEOPLE}"

    def select(self, table):
        return self.sql.replace("HITS", table).replace("WHERE ASKED", f"WHERE {self.where()}")


MONTH, BEFORE = days(30), (str(LAST - datetime.timedelta(days=59)), str(LAST - datetime.timedelta(days=30)))
DAILY = "SELECT cast(dt AS varchar) AS time, count(*) FILTER (WHERE kind = 'pageview') FROM HITS WHERE ASKED GROUP BY dt"
ALL = ["hits", "pageviews", "downloads", "outlinks", "events", "searches", "visits", "visitors", "actions", "bounces", "visit_duration", "time_on_page"]
QUESTIONS = [
    Question("page views a day, large site, 90 days", False, {"metrics": "pageviews", "interval": "day"}, ["time", "pageviews"], DAILY),
    Question("page views a day, small site, 90 days", False, {"metrics": "pageviews", "interval": "day"}, ["time", "pageviews"], DAILY, str(SMALL)),
    Question("top 10 pages, one country, one section, 30 days", False,
             {"metrics": "pageviews", "by": "page", "filter": "country==DE", "section": "/section-3", "limit": 10}, ["page", "pageviews"],
             f"""SELECT {PAGE_OF} AS page, count(*) FILTER (WHERE kind = 'pageview') AS pageviews FROM HITS
                 WHERE ASKED AND country = 'DE' AND (path = '/section-3' OR path LIKE '/section-3/%')
                 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""", dates=MONTH),
    Question("distinct visitors, 90 days", False, {"metrics": "visitors"}, ["visitors"], "SELECT count(DISTINCT visitor_id) FROM HITS WHERE ASKED"),
    Question("visits, bounce rate, duration a day, 30 days", True, {"metrics": "visits,bounce_rate,avg_visit_duration", "interval": "day"},
             ["time", "visits", "bounce_rate", "avg_visit_duration"],
             """SELECT cast(dt AS varchar) AS time, count(*), avg(CASE WHEN is_bounce THEN 1.0 ELSE 0.0 END), avg(visit_duration_s)
                FROM HITS WHERE ASKED AND is_entry GROUP BY dt""", dates=MONTH),
    Question("entry pages with bounce rate, 90 days", True, {"metrics": "visits,bounce_rate", "by": "entry_page", "limit": 100},
             ["entry_page", "visits", "bounce_rate"],
             """SELECT entry_path, count(*), avg(CASE WHEN is_bounce THEN 1.0 ELSE 0.0 END)
                FROM HITS WHERE ASKED AND is_entry GROUP BY entry_path ORDER BY 2 DESC, 1 NULLS LAST LIMIT 100"""),
    Question("channels with visits, against the 30 days before", True, {"metrics": "visits", "by": "channel", "compare": "previous"},
             ["channel", "visits", "previous"],
             f"""SELECT channel, count(*) FILTER (WHERE dt >= '{MONTH[0]}') AS now, count(*) FILTER (WHERE dt < '{MONTH[0]}') AS before
                 FROM HITS WHERE site = {LARGE} AND dt BETWEEN '{BEFORE[0]}' AND '{MONTH[1]}' AND {PEOPLE} AND is_entry
                 GROUP BY channel HAVING now > 0""", dates=MONTH),
    Question("downloads by file, 90 days", False, {"metrics": "downloads", "by": "download", "limit": 1000}, ["download", "downloads"],
             "SELECT target, count(*) FROM HITS WHERE ASKED AND kind = 'download' GROUP BY target"),
    Question("visitors by country and device, 30 days", False, {"metrics": "visitors", "by": "country,device", "limit": 1000},
             ["country", "device", "visitors"],
             "SELECT country, device, count(DISTINCT visitor_id) FROM HITS WHERE ASKED GROUP BY country, device", dates=MONTH),
    Question("page views by hour of one day", False, {"metrics": "pageviews", "interval": "hour"}, ["time", "pageviews"],
             """SELECT substr(cast(date_trunc('hour', ts) AS varchar), 1, 13) AS time, count(*) FILTER (WHERE kind = 'pageview')
                FROM HITS WHERE ASKED GROUP BY 1""", dates=days(1)),
    Question("visits that saw one page and downloaded, 30 days", True,
             {"metrics": "visits", "filter": f"visited_page=={DOWNLOADED};visited_kind==download"}, ["visits"],
             f"""SELECT count(*) FROM (SELECT visit_id FROM HITS WHERE ASKED AND visit_id IS NOT NULL GROUP BY dt, visit_id
                 HAVING max(CASE WHEN {PAGE_OF} = '{DOWNLOADED}' THEN 1 ELSE 0 END) + max(CASE WHEN kind = 'download' THEN 1 ELSE 0 END) = 2) AS visits""",
             dates=MONTH),
    Question("everything for all sites, one week", True, {"metrics": ",".join(ALL), "by": "site", "limit": 1000}, ["site", *ALL],
             """SELECT site, count(*) FILTER (WHERE NOT coalesce(is_derived, false)), count(*) FILTER (WHERE kind = 'pageview'),
                count(*) FILTER (WHERE kind = 'download'), count(*) FILTER (WHERE kind = 'outlink'), count(*) FILTER (WHERE kind = 'event'),
                count(*) FILTER (WHERE kind = 'search'), count(*) FILTER (WHERE is_entry), count(DISTINCT visitor_id),
                sum(visit_actions) FILTER (WHERE is_entry), count(*) FILTER (WHERE is_entry AND is_bounce),
                sum(visit_duration_s) FILTER (WHERE is_entry), coalesce(sum(time_on_page_s), 0) FROM HITS WHERE ASKED GROUP BY site""",
             "all", days(7)),
]


class Worker:
    """A process that answers one question a line."""

    def __init__(self, command):
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # The clock of the processor time of another process: CPUCLOCK_SCHED of Linux.
        self.cpu_clock = (~self.process.pid << 3) | 2

    def ask(self, line):
        """The answer, and milliseconds by the clock and of the processors."""
        cpu, began = time.clock_gettime(self.cpu_clock), time.perf_counter()
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        took = time.perf_counter() - began, time.clock_gettime(self.cpu_clock) - cpu
        assert answer, f"{self.process.args} ended"
        return json.loads(answer), tuple(1000 * seconds for seconds in took)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Hitlake(Worker):
    """The program of tests/bench/questions/."""

    def __init__(self, program, folder, delay_ms=0):
        super().__init__([program, "answer", folder, str(delay_ms)])

    def question(self, question):
        answer, took = self.ask(question.path())
        assert answer["status"] == 200, answer
        self.calls, self.in_sequence = answer["calls"], answer["in_sequence"]
        body = json.loads(answer["body"])
        rows = body["rows"] if question.columns[0] in ("time", "site") or "by" in question.parameters else [body["totals"]]
        if question.parameters.get("interval") == "hour":
            rows = [row | {"time": row["time"][:13].replace("T", " ")} for row in rows]
        rows = [[value_of(row, name) for name in question.columns] for row in rows]
        # The API leaves no hole in time; SQL has no row where there is nothing.
        return [row for row in rows if question.columns[0] != "time" or any(row[1:])], took


def value_of(row, name):
    return row["previous"]["visits"] if name == "previous" else row[name]


class Sql(Worker):
    """DuckDB or chDB, in this file's own process of that name."""

    def __init__(self, engine, folder):
        super().__init__([sys.executable, __file__, engine, str(folder)])
        self.table = TABLES[engine].format(folder=folder)

    def question(self, question):
        return self.ask(json.dumps(question.select(self.table)))


TABLES = {
    "duckdb": "read_parquet('{folder}/store/hits/dt=*/*.parquet', hive_partitioning = true, hive_types_autocast = false)",
    "chdb": "file('{folder}/store/hits/dt=*/*.parquet', Parquet)",
}


def answer_by_duckdb():
    import duckdb
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET timezone = 'UTC'; SET parquet_metadata_cache = true")
    return lambda sql: connection.execute(sql).fetchall()


def answer_by_chdb():
    import chdb
    connection = chdb.connect()
    settings = f" SETTINGS max_threads = {THREADS}, use_hive_partitioning = 1, session_timezone = 'UTC', cast_keep_nullable = 1"

    def answer(sql):
        # A row a line; numbers of 64 bits are numbers.
        text = str(connection.query(sql + settings + ", output_format_json_quote_64bit_integers = 0", "JSONCompactEachRow"))
        return [json.loads(line) for line in text.splitlines()]

    return answer


def answer_lines(answer):
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line)), default=str), flush=True)


def same(left, right):
    def equal(one, other):
        if isinstance(one, (int, float)) and isinstance(other, (int, float)):
            return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        return one == other

    def order(row):
        return [(value is None, str(value)) for value in row if not isinstance(value, float)]

    left, right = sorted(left, key=order), sorted(right, key=order)
    return len(left) == len(right) and all(len(a) == len(b) and all(map(equal, a, b)) for a, b in zip(left, right))


def compare(workers, rounds):
    """Medians by question and worker; the order turns from round to round."""
    times = {(at, name): [] for at in range(len(QUESTIONS)) for name in workers}
    for number in range(rounds + 1):
        for at, question in enumerate(QUESTIONS):
            names = list(workers)
            names = names[number % len(names):] + names[:number % len(names)]
            answers = {}
            for name in names:
                answers[name], took = workers[name].question(question)
                if number:  # the first round warms up
                    times[at, name].append(took)
            for name in names:
                assert same(answers["hitlake"], answers[name]), (question.name, name, answers["hitlake"][:3], answers[name][:3])
    return {key: tuple(map(statistics.median, zip(*took))) for key, took in times.items()}


def distant(program, folder, rounds):
    """By question: milliseconds with the distant store, warm; calls in sequence, cold and warm."""
    shown = []
    for question in QUESTIONS:
        worker = Hitlake(program, folder, DELAY_MS)
        worker.question(question)
        took = [worker.question(question)[1][0] for _ in range(rounds)]
        worker.stop()
        shown.append((statistics.median(took), *in_sequence(program, folder, question)))
    return shown


def in_sequence(program, folder, question):
    """Calls in sequence, cold and warm, and all calls of the warm one. Each waits so long that no date's work, which the
    processors do one after another, makes it miss the wait that it shares with the others."""
    worker = Hitlake(program, folder, COUNTED_DELAY_MS)
    worker.question(question)
    cold = worker.in_sequence
    worker.question(question)
    worker.stop()
    return cold, worker.in_sequence, worker.calls


def cold(program, folder, rounds, delay_ms=0):
    """Milliseconds from the start of a process to its first answer, by question."""
    def once(question):
        worker = Hitlake(program, folder, delay_ms)
        worker.question(question)
        took = 1000 * (time.perf_counter() - worker.began)
        worker.stop()
        return took

    return [statistics.median(once(question) for _ in range(rounds)) for question in QUESTIONS]


def built():
    """The program, built as the release is."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--workspace", "--features", "hitlake-tests/bench", "--bin", "questions"], cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "questions"


def generated(program, hits):
    folder = ROOT / "target" / "questions" / str(hits)
    done = folder / "done"
    if not done.exists():
        subprocess.run(["rm", "-rf", folder], check=True)
        folder.mkdir(parents=True)
        print(f"generating {hits} hits in {folder}", flush=True)
        subprocess.run([program, "generate", folder, str(hits)], check=True)
        done.touch()
    return folder


def rows(medians, far, fresh, fresh_far):
    for at, question in enumerate(QUESTIONS):
        (ours, ours_cpu), duckdb, chdb = (medians[at, name] for name in ("hitlake", "duckdb", "chdb"))
        ratio = lambda theirs: f"{theirs[0] / ours:.1f} ({theirs[1] / ours_cpu:.1f})"
        far_ms, cold_calls, warm_calls, calls = far[at]
        yield [f"{at + 1}. {question.name}", f"{ours:.1f}", ratio(duckdb), ratio(chdb), f"{far_ms:.0f}", f"{cold_calls}, {warm_calls}", calls,
               f"{fresh[at]:.0f}", f"{fresh_far[at]:.0f}"]


HEADS = ["question", "Hitlake, ms", "DuckDB", "chDB", "ms with +20 ms a call", "calls in sequence: cold, warm", "calls", "fresh process, ms", "fresh, +20 ms a call"]


def table(lines):
    cells = [HEADS, ["---"] * len(HEADS), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hits", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--program", help="the built program; else cargo builds it")
    parser.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    args = parser.parse_args()
    program = args.program or built()
    folder = generated(program, args.hits)
    workers = {"hitlake": Hitlake(program, folder), "duckdb": Sql("duckdb", folder), "chdb": Sql("chdb", folder)}
    medians = compare(workers, args.rounds)
    for worker in workers.values():
        worker.stop()
    fresh = cold(program, folder, min(args.rounds, 5))
    lines = [*rows(medians, distant(program, folder, args.rounds), fresh, cold(program, folder, min(args.rounds, 3), DELAY_MS))]
    print(table(lines))
    print("ms by the clock and of the processors:")
    for at, question in enumerate(QUESTIONS):
        print(f"  {question.name}:", "; ".join(f"{name} {medians[at, name][0]:.1f} {medians[at, name][1]:.1f}" for name in workers))
    if args.write:
        write(table(lines), args)


def write(shown, args):
    head, _, rest = PAGE.read_text().partition("<!-- table -->\n")
    _, _, tail = rest.partition("<!-- end -->\n")
    import chdb
    import duckdb
    size = sum(path.stat().st_size for path in (ROOT / "target" / "questions" / str(args.hits)).glob("store/hits/*/*"))
    said = (f"{args.hits:,} hits, {size / 1e6:.0f} MB, {args.rounds} rounds, {os.cpu_count()} processors ({platform.machine()}), "
            f"DuckDB {duckdb.__version__}, chDB {chdb.__version__}, {datetime.date.today()}.")
    PAGE.write_text(f"{head}<!-- table -->\n{said}\n\n{shown}\n<!-- end -->\n{tail}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["duckdb"]:
        answer_lines(answer_by_duckdb())
    elif sys.argv[1:2] == ["chdb"]:
        answer_lines(answer_by_chdb())
    else:
        main()
