#!/usr/bin/env python3
"""Opens every dataset under a data directory with DuckDB, Polars and pyarrow and compares them.

    read_all.py [--growing] DATA_DIR

Prints one JSON object: per dataset the rows, per column a sum (numbers: their sum; text: characters;
times: seconds; truth values: how many), how many cells are NULL, and per sketch column the estimate of
the union by Apache DataSketches. Exit 1, with the differences on standard error, when two readers
disagree or a rule of the datasets is broken. With --growing the daemon goes on writing: whoever reads
later may see more rows, never fewer.
"""

import json
import math
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from datasketches import hll_sketch, hll_union, tgt_hll_type

DATASETS = ["minutes", "slices", "incidents", "incident_money", "alarms", "marks", "sources", "ledger"]
LGK = 12


def files_of(data_dir, dataset):
    return sorted((data_dir / dataset).glob("**/*.parquet"))


# One reader each: {"rows": n, "columns": {name: {"sum": …, "nulls": n}}, "sketches": {name: [bytes, …]}}


def by_duckdb(data_dir, dataset):
    source = f"read_parquet('{data_dir}/{dataset}/**/*.parquet', hive_partitioning=true, union_by_name=true)"
    kinds = {row[0]: row[1] for row in duckdb.sql(f"describe select * from {source}").fetchall()}
    # hive_types_autocast makes the partition `date` a DATE: it is a path, not a column of the file
    kinds = {name: kind for name, kind in kinds.items() if not is_partition(dataset, name)}
    read = {"rows": duckdb.sql(f"select count(*) from {source}").fetchall()[0][0], "columns": {}, "sketches": {}}
    for name, kind in kinds.items():
        column = f'"{name}"'
        if kind == "BLOB":
            cells = duckdb.sql(f"select {column} from {source}").fetchall()
            read["sketches"][name] = [bytes(cell) for (cell,) in cells if cell is not None]
            total = f"sum(octet_length({column}))"
        elif kind == "VARCHAR":
            total = f"sum(length({column}))"
        elif kind == "BOOLEAN":
            total = f"count(*) filter ({column})"
        elif kind == "TIMESTAMP WITH TIME ZONE":
            total = f"sum(epoch_us({column}) // 1000000)"
        else:
            total = f"sum({column})"
        total, nulls = duckdb.sql(f"select {total}, count(*) - count({column}) from {source}").fetchall()[0]
        read["columns"][name] = {"sum": total, "nulls": nulls}
    return read


def by_polars(data_dir, dataset):
    # scan_parquet over a glob takes its columns from the first file; this is Polars' union by name
    scans = [pl.scan_parquet(path, hive_partitioning=True) for path in files_of(data_dir, dataset)]
    frame = pl.concat(scans, how="diagonal_relaxed").collect()
    read = {"rows": frame.height, "columns": {}, "sketches": {}}
    for name, kind in frame.schema.items():
        if is_partition(dataset, name):
            continue
        column = frame[name]
        if kind == pl.Binary:
            read["sketches"][name] = [cell for cell in column if cell is not None]
            total = sum(len(cell) for cell in read["sketches"][name])
        elif kind in (pl.Categorical, pl.String):
            total = column.cast(pl.String).str.len_chars().sum()
        elif kind == pl.Datetime:
            expect(kind.time_zone == "UTC" and kind.time_unit == "us", f"{dataset}.{name} is {kind} in Polars")
            total = (column.dt.epoch("us") // 1_000_000).sum()
        else:
            total = column.sum()
        read["columns"][name] = {"sum": total, "nulls": column.null_count()}
    return read


def by_pyarrow(data_dir, dataset):
    schema = pa.unify_schemas([pq.read_schema(path) for path in files_of(data_dir, dataset)])
    table = ds.dataset(data_dir / dataset, format="parquet", schema=schema).to_table()
    read = {"rows": table.num_rows, "columns": {}, "sketches": {}}
    for field in table.schema:
        column, kind = table[field.name], field.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(pa.string()), pa.string()
        if pa.types.is_binary(kind):
            read["sketches"][field.name] = [cell for cell in column.to_pylist() if cell is not None]
            total = pc.sum(pc.binary_length(column))
        elif pa.types.is_string(kind):
            total = pc.sum(pc.utf8_length(column))
        elif pa.types.is_timestamp(kind):
            expect(kind == pa.timestamp("us", "UTC"), f"{dataset}.{field.name} is {kind} in pyarrow")
            total = pa.scalar(sum(cell // 1_000_000 for cell in column.cast(pa.int64()).to_pylist() if cell is not None))
        elif pa.types.is_decimal(kind):
            total = pc.sum(column.cast(pa.decimal128(38, kind.scale)))
        else:
            total = pc.sum(column)
        read["columns"][field.name] = {"sum": total.as_py(), "nulls": column.null_count}
    return read


READERS = {"duckdb": by_duckdb, "polars": by_polars, "pyarrow": by_pyarrow}


def is_partition(dataset, name):
    """Partition columns come from the path; `stream` is a real column where it is no partition."""
    return name == "date" or (name == "stream" and dataset in ("minutes", "slices"))


def estimate(sketches, where):
    union = hll_union(LGK)
    for cell in sketches:
        sketch = hll_sketch.deserialize(cell)
        expect(sketch.tgt_type == tgt_hll_type.HLL_4 and sketch.lg_config_k == LGK, f"{where}: not HLL4 with lgK 12")
        union.update(sketch)
    return round(union.get_estimate(), 6)


def same(a, b):
    if a is None or b is None:
        return (a or 0) == (b or 0)
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        return Decimal(a) == Decimal(b)
    return a == b


problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def compare_growing(dataset, reads):
    rows = [read["rows"] for read in reads.values()]
    expect(rows == sorted(rows), f"{dataset}: rows vanished: {dict(zip(reads, rows))}")


def compare(dataset, reads):
    first_name, first = next(iter(reads.items()))
    for name, read in reads.items():
        pair = f"{dataset}: {first_name} and {name}"
        expect(read["rows"] == first["rows"], f"{pair} differ in rows: {first['rows']}, {read['rows']}")
        columns = sorted(set(first["columns"]) ^ set(read["columns"]))
        expect(not columns, f"{pair} differ in columns: {columns}")
        for column in set(first["columns"]) & set(read["columns"]):
            a, b = first["columns"][column], read["columns"][column]
            alike = a["nulls"] == b["nulls"] and same(a["sum"], b["sum"])
            expect(alike, f"{pair} differ in {column}: {a}, {b}")


def check_rules(data_dir, dataset, read):
    """What holds in every data directory, whoever wrote it."""
    nulls = {name: column["nulls"] for name, column in read["columns"].items() if column["nulls"]}
    source = f"read_parquet('{data_dir}/{dataset}/**/*.parquet', hive_partitioning=true, union_by_name=true)"
    count = lambda where: duckdb.sql(f"select count(*) from {source} where {where}").fetchall()[0][0]
    if dataset == "minutes":
        expect(not nulls or len(files_of(data_dir, dataset)) > 1, f"minutes: NULL in {nulls}")
        expect(not count("date <> (minute at time zone 'UTC')::date"), "minutes: a row in another date's directory")
    if dataset == "slices":
        expect(not count("(observed is null) <> (verdict = 'no_data')"), "slices: observed is NULL but not no_data")
        expect(not count("(expected is null) <> (low is null)"), "slices: expected without a band")
    if dataset == "ledger":
        refused = " + ".join(f'"{name}"' for name in read["columns"] if name.startswith("rejected_"))
        spent = f"counted + control + duplicate + {refused} + dropped_queue + dropped_crash"
        expect(not count(f"received <> {spent}"), "ledger: lines that are not accounted for")


def main(data_dir, growing):
    answer = {}
    for dataset in DATASETS:
        if not files_of(data_dir, dataset):
            continue
        reads = {name: reader(data_dir, dataset) for name, reader in READERS.items()}
        (compare_growing if growing else compare)(dataset, reads)
        first = next(iter(reads.values()))
        check_rules(data_dir, dataset, first)
        estimates = defaultdict(dict)
        for name, read in reads.items():
            for column, sketches in read["sketches"].items():
                estimates[column][name] = estimate(sketches, f"{dataset}.{column}")
        for column, told in estimates.items():
            expect(growing or len(set(told.values())) == 1, f"{dataset}.{column}: estimates differ: {told}")
        answer[dataset] = {
            "rows": first["rows"],
            "sums": {name: column["sum"] or 0 for name, column in first["columns"].items()},
            "nulls": {name: column["nulls"] for name, column in first["columns"].items() if column["nulls"]},
            "estimates": {column: next(iter(told.values())) for column, told in estimates.items()},
        }
    expect(answer, f"{data_dir}: no dataset found")
    print(json.dumps(answer, default=str))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    growing = sys.argv[1:2] == ["--growing"]
    arguments = sys.argv[2:] if growing else sys.argv[1:]
    if len(arguments) != 1:
        sys.exit(__doc__)
    sys.exit(main(Path(arguments[0]), growing))
