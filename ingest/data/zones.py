"""Writes zones.tsv beside it: time zone and country, out of the tz database (public domain).

    python3 zones.py /usr/share/zoneinfo

zone.tab says which country a zone is in; a link of tzdata.zi (Asia/Calcutta to Asia/Kolkata) is in
that of its target, where that is one country alone.
"""

import pathlib
import sys

source = pathlib.Path(sys.argv[1])
countries = {}
for line in (source / "zone.tab").read_text().splitlines():
    if not line.startswith("#"):
        country, _, zone = line.split("\t")[:3]
        countries[zone] = country
lines = (source / "tzdata.zi").read_text().splitlines()
for link, target, name in (line.split() for line in lines if line.startswith("L ")):
    if target in countries and "/" in name and not name.startswith("Etc/"):
        countries.setdefault(name, countries[target])
version = lines[0].removeprefix("# version ")
rows = [f"{zone}\t{country}" for zone, country in sorted(countries.items())]
pathlib.Path(__file__).with_name("zones.tsv").write_text("\n".join([f"# tz database {version}", *rows]) + "\n")
