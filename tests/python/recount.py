#!/usr/bin/env python3
"""Counts raw NDJSON events once more, by DuckDB, and compares with a data directory's minutes.

    recount.py --stream orders --dimension marketplace --dimension feature=cart.feature \\
        --sum amount:2:currency --distinct customer --data-dir ./ebbd-data events.ndjson …

Prints the recount as JSON lines, one per minute × dimensions × currencies, without --data-dir; with it a
summary per --stream (each has to have all of the events), and the differences on standard error with exit 1. Rows of `minutes` are summed over revisions,
files and hosts; sketches are merged by Apache DataSketches and have to come within 6.5 % (four times
their error) of the exact number. For data that went in as line protocol or StatsD, give the NDJSON with
the same events; --weight names the field that says how many events a line stands for.
"""

import argparse
import json
import sys
from decimal import Decimal

import duckdb
from datasketches import hll_sketch, hll_union

LGK = 12
SHOWN = 20
TOLERANCE = 0.065


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="NDJSON, plain or .gz or .zst")
    parser.add_argument("--stream", action="append", help="default orders; several: the same events in each")
    parser.add_argument("--time", default="ts", help="field of the event's time")
    parser.add_argument("--dimension", action="append", default=[], metavar="NAME[=FIELD]")
    parser.add_argument("--sum", action="append", default=[], metavar="NAME[=FIELD]:SCALE[:CURRENCY_FIELD]")
    parser.add_argument("--distinct", action="append", default=[], metavar="NAME[=FIELD]")
    parser.add_argument("--weight", metavar="FIELD", help="whole number of events per line; default 1")
    parser.add_argument("--data-dir", help="compare with this directory's minutes")
    given = parser.parse_args()
    given.stream = given.stream or ["orders"]
    given.dimension = [named(text) for text in given.dimension]
    given.distinct = [named(text) for text in given.distinct]
    given.sum = [summed(text) for text in given.sum]
    return given


def named(text):
    name, _, field = text.partition("=")
    return name, field or name


def summed(text):
    first, scale, *currency = text.split(":")
    return *named(first), int(scale), currency[0] if currency else None


# txt: the text of a value, none for objects, arrays and null; code: a currency, NULL when it is bad
MACROS = r"""
set timezone = 'UTC';
create macro kind(j, path) as json_type(j, path);
create macro txt(j, path) as case when kind(j, path) in ('OBJECT', 'ARRAY', 'NULL') then null else j ->> path end;
create macro micros(n) as case
    when abs(n) < 1e11 then floor(n * 1000000) when abs(n) < 1e14 then floor(n * 1000)
    when abs(n) < 1e17 then floor(n) else floor(n / 1000) end::bigint;
create macro instant(t) as case
    when regexp_matches(t, '^-?[0-9]+([.][0-9]+)?$') then micros(try_cast(t as decimal(38, 9)))
    when regexp_matches(t, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*([Zz]|[+-][0-9]{2}:?[0-9]{2})$')
        then epoch_us(try_cast(t as timestamptz)) end;
create macro code(j, path) as case
    when kind(j, path) is null or kind(j, path) = 'NULL' or (kind(j, path) = 'VARCHAR' and j ->> path = '') then ''
    when kind(j, path) = 'VARCHAR' and regexp_matches(j ->> path, '^[A-Za-z]{3}$') then upper(j ->> path) end;
"""


def path(field):
    return "'$" + "".join(f'."{part}"' for part in field.split(".")) + "'"


def recount(given):
    """{(minute, dimensions…, currencies…): (count, amounts…, distincts…)} straight from the lines."""
    database = duckdb.connect()
    for statement in MACROS.split(";"):
        if statement.strip():
            database.execute(statement)
    keys, amounts = ["instant(txt(j, {})) // 60000000".format(path(given.time))], []
    keys += [f"coalesce(txt(j, {path(field)}), '')" for _, field in given.dimension]
    for _, field, scale, currency in given.sum:
        text = f"case when kind(j, {path(field)}) = 'BOOLEAN' then null else txt(j, {path(field)}) end"
        known = f"code(j, {path(currency)})" if currency else "''"
        keys.append(f"coalesce({known}, '')")
        amounts.append(f"coalesce(sum(case when {known} is not null then try_cast({text} as decimal(18, {scale})) end), 0)")
    distincts = [f"count(distinct nullif(txt(j, {path(field)}), ''))" for _, field in given.distinct]
    weight = f"sum(coalesce(try_cast(txt(j, {path(given.weight)}) as bigint), 1))" if given.weight else "count(*)"
    groups = ", ".join(str(at + 1) for at in range(len(keys)))
    files = ", ".join("'" + name.replace("'", "''") + "'" for name in given.files)
    rows = database.execute(
        f"""
        with lines as (
            select rtrim(line, chr(13)) as line
            from read_csv([{files}], columns = {{'line': 'VARCHAR'}}, delim = '\\x01', quote = '', escape = '',
                header = false, auto_detect = false, strict_mode = false, new_line = '\\n', max_line_size = 1048576)
        ), objects as (
            select line::json as j from lines where case when json_valid(line) then json_type(line) end = 'OBJECT'
        )
        select {", ".join(keys + [weight] + amounts + distincts)} from objects
        where kind(j, '$."ebbd"') is null and kind(j, {path(given.time)}) <> 'BOOLEAN'
            and instant(txt(j, {path(given.time)})) is not null
        group by {groups}
        """
    ).fetchall()
    return {row[: len(keys)]: row[len(keys) :] for row in rows}


def written(given, stream):
    """The same of a stream in the data directory; distincts are estimates."""
    source = (
        f"read_parquet('{given.data_dir}/minutes/stream={stream}/**/*.parquet',"
        " hive_partitioning = true, union_by_name = true)"
    )
    keys = ["epoch_us(minute) // 60000000"] + [f'coalesce("{name}", \'\')' for name, _ in given.dimension]
    keys += [f'coalesce("{name}_currency", \'\')' for name, *_ in given.sum]
    figures = ["sum(count)"] + [f'sum("{name}")' for name, *_ in given.sum]
    figures += [f'list("{name}_hll")' for name, _ in given.distinct]
    groups = ", ".join(str(at + 1) for at in range(len(keys)))
    rows = duckdb.sql(f"select {', '.join(keys + figures)} from {source} group by {groups}").fetchall()
    exact = 1 + len(given.sum)
    merge = lambda row: row[:exact] + tuple(union(cells) for cells in row[exact:])
    return {row[: len(keys)]: merge(row[len(keys) :]) for row in rows}


def union(cells):
    merged = hll_union(LGK)
    for cell in cells:
        if cell is not None:
            merged.update(hll_sketch.deserialize(bytes(cell)))
    return merged.get_estimate()


def shown(given, key, figures):
    names = [name for name, _ in given.dimension] + [f"{name}_currency" for name, *_ in given.sum]
    told = {"minute": duckdb.sql(f"select strftime(make_timestamp({key[0] * 60000000}), '%Y-%m-%dT%H:%MZ')").fetchall()[0][0]}
    told |= dict(zip(names, key[1:]))
    values = ["count"] + [name for name, *_ in given.sum] + [name for name, _ in given.distinct]
    return told | {name: str(v) if isinstance(v, Decimal) else v for name, v in zip(values, figures)}


def differences(given, raw, kept):
    nothing = (0,) * (1 + len(given.sum) + len(given.distinct))
    exact = 1 + len(given.sum)
    for key in sorted(raw.keys() | kept.keys()):
        want, have = raw.get(key, nothing), kept.get(key, nothing)
        near = all(abs(b - a) <= max(0.5, TOLERANCE * a) for a, b in zip(want[exact:], have[exact:]))
        if tuple(want[:exact]) != tuple(have[:exact]) or not near:
            yield key, want, have


def main():
    given = arguments()
    raw = recount(given)
    if not given.data_dir:
        for key in sorted(raw):
            print(json.dumps(shown(given, key, raw[key]), ensure_ascii=False))
        return 0
    return max(compare(given, stream, raw) for stream in given.stream)


def compare(given, stream, raw):
    kept = written(given, stream)
    differing = list(differences(given, raw, kept))
    events = lambda rows: int(sum(figures[0] for figures in rows.values()))
    summary = {"rows": len(raw), "events": events(raw), "written": events(kept), "differences": len(differing)}
    print(json.dumps({"stream": stream} | summary))
    for key, want, have in differing[:SHOWN]:
        print(f"- recount {json.dumps(shown(given, key, want), ensure_ascii=False)}", file=sys.stderr)
        print(f"+ minutes {json.dumps(shown(given, key, have), ensure_ascii=False)}", file=sys.stderr)
    if len(differing) > SHOWN:
        print(f"and {len(differing) - SHOWN} more", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
