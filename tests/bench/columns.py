"""Bytes a hit that each column takes in the table.

    python tests/bench/columns.py data/store/hits

The objects below the folder are taken together. `size` is the column's pages, `index` its entries in the footer's
page index; the last lines are the footer itself and what Hitlake keeps in it. The columns' lines and these make
the size of the objects, to the byte.
"""

import argparse
import collections
import pathlib
import struct

import pyarrow.parquet as pq

TAIL_BYTES = 8  # length of the footer, and PAR1
HEAD_BYTES = 4  # PAR1


def measure(paths):
    """Bytes by column, rows, and bytes of each object's other parts."""
    sizes, parts, rows = collections.Counter(), collections.Counter(), 0
    encodings = collections.defaultdict(set)
    for path in paths:
        file = pq.ParquetFile(path).metadata
        rows += file.num_rows
        for group in range(file.num_row_groups):
            for at in range(file.num_columns):
                column = file.row_group(group).column(at)
                sizes[column.path_in_schema] += column.total_compressed_size
                encodings[column.path_in_schema] |= set(column.encodings) - {"RLE", "BIT_PACKED"}
        size, footer = path.stat().st_size, footer_bytes(path)
        kept = sum(len(key) + len(value) for key, value in (file.metadata or {}).items())
        columns = sum(file.row_group(g).column(at).total_compressed_size
                      for g in range(file.num_row_groups) for at in range(file.num_columns))
        parts["page index"] += size - footer - columns - TAIL_BYTES - HEAD_BYTES
        parts["footer: Hitlake's own"] += kept
        parts["footer: the rest"] += footer - kept
        parts["magic and length"] += TAIL_BYTES + HEAD_BYTES
    return sizes, encodings, parts, rows


def footer_bytes(path):
    with path.open("rb") as file:
        file.seek(-TAIL_BYTES, 2)
        return struct.unpack("<I4s", file.read(TAIL_BYTES))[0]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("folder", type=pathlib.Path)
    folder = arguments.parse_args().folder
    paths = sorted(path for path in folder.rglob("*.parquet") if path.stat().st_size)
    sizes, encodings, parts, rows = measure(paths)
    whole = sum(path.stat().st_size for path in paths)
    print(f"{rows} rows in {len(paths)} objects of {whole} bytes: {whole / rows:.2f} bytes a hit")
    print("| column | bytes a hit | share | encodings |\n| --- | --- | --- | --- |")
    for name, size in sizes.most_common():
        print(f"| {name} | {size / rows:.2f} | {size / whole:.1%} | {', '.join(sorted(encodings[name]))} |")
    for name, size in parts.items():
        print(f"| *{name}* | {size / rows:.2f} | {size / whole:.1%} | |")
    assert sum(sizes.values()) + sum(parts.values()) == whole


if __name__ == "__main__":
    main()
