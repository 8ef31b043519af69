"""One query on one file by one engine, one thread: minute x four dimensions -> count, sum, distinct -> Parquet.

query.py TOOL FORMAT FILE OUT prints a JSON object with the CPU nanoseconds of the query (imports apart) and what
its Parquet says: rows, events, cents and the sum of the distinct estimates. `missing` if the tool isn't there.
"""

import importlib.util
import json
import os
import resource
import sys

os.environ["POLARS_MAX_THREADS"] = "1"
KEYS = ["marketplace", "feature", "payment", "status"]


def cpu_ns():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e9


def duckdb_query(fmt, file, out):
    import duckdb

    db = duckdb.connect(config={"threads": 1, "preserve_insertion_order": False})
    if fmt == "ndjson":
        keys = ", ".join(KEYS)
        columns = ", ".join(f"{key}: 'VARCHAR'" for key in KEYS)
        query = f"""select substr(ts, 1, 16) as minute, {keys}, count(*) as n, sum(amount) as amount,
            approx_count_distinct(customer) as customers
            from read_json('{file}', format = 'newline_delimited',
                columns = {{ts: 'VARCHAR', {columns}, amount: 'DECIMAL(12, 2)', customer: 'VARCHAR'}})
            group by all"""
    else:
        # The whole set of tags is the key: no engine has to take it apart.
        query = f"""select ts // 60000000000 as minute, tags, count(*) as n,
            sum(cast(split_part(split_part(fields, ',', 1), '=', 2) as decimal(12, 2))) as amount,
            approx_count_distinct(split_part(fields, '"', 2)) as customers
            from read_csv('{file}', delim = ' ', quote = '', escape = '', header = false, auto_detect = false,
                columns = {{tags: 'VARCHAR', fields: 'VARCHAR', ts: 'BIGINT'}})
            group by all"""
    return lambda: db.execute(f"copy ({query}) to '{out}' (format parquet)")


def polars_query(fmt, file, out):
    import polars as pl

    text = pl.String
    if fmt == "ndjson":
        schema = {"ts": text, **{key: text for key in KEYS}, "amount": pl.Float64, "customer": text}
        lines = pl.scan_ndjson(file, schema=schema, low_memory=True)
        keys = [pl.col("ts").str.head(16).alias("minute"), *KEYS]
        amount, customer = pl.col("amount"), pl.col("customer")
    else:
        schema = {"tags": text, "fields": text, "ts": pl.Int64}
        lines = pl.scan_csv(file, separator=" ", quote_char=None, has_header=False, schema=schema)
        keys = [(pl.col("ts") // 60_000_000_000).alias("minute"), "tags"]
        fields = pl.col("fields")
        amount = fields.str.head(fields.str.find(",", literal=True)).str.strip_prefix("amount=").cast(pl.Float64)
        customer = fields.str.tail(15)
    grouped = lines.group_by(keys).agg(
        pl.len().alias("n"), amount.sum().alias("amount"), customer.approx_n_unique().alias("customers")
    )
    return lambda: grouped.sink_parquet(out, engine="streaming")


def chdb_query(fmt, file, out):
    import chdb

    if fmt == "ndjson":
        keys = ", ".join(KEYS)
        columns = ", ".join(f"{key} LowCardinality(String)" for key in KEYS)
        source = f"file('{file}', 'JSONEachRow', 'ts String, {columns}, amount Decimal(12, 2), customer String')"
        query = f"""select substring(ts, 1, 16) as minute, {keys}, count() as n, sum(amount) as amount,
            uniqCombined(customer) as customers from {source} group by minute, {keys}"""
    else:
        # The tags up to the first blank, the amount up to the comma behind it; customers and times are of
        # one length.
        query = f"""with position(line, ' ') as blank
            select intDiv(toInt64(substring(line, -19)), 60000000000) as minute,
            substring(line, 1, blank - 1) as tags, count() as n,
            sum(toDecimal64(substring(line, blank + 8, position(line, ',', blank) - blank - 8), 2)) as amount,
            uniqCombined(substring(line, -35, 14)) as customers
            from file('{file}', 'LineAsString') group by minute, tags"""
    settings = "max_threads = 1, max_parsing_threads = 1"
    settings += ", input_format_skip_unknown_fields = 1, input_format_parallel_parsing = 0"
    return lambda: chdb.query(f"{query} into outfile '{out}' truncate format Parquet settings {settings}")


def told(out):
    """What the Parquet says, read by DuckDB whoever wrote it."""
    import duckdb

    query = f"""select count(*), sum(n)::bigint, sum(round(amount * 100))::bigint, sum(customers)::double
        from read_parquet('{out}')"""
    return duckdb.sql(query).limit(1).fetchall()[0]


def main():
    tool, fmt, file, out = sys.argv[1:]
    if importlib.util.find_spec(tool) is None:
        print("missing")
        return
    query = {"duckdb": duckdb_query, "polars": polars_query, "chdb": chdb_query}[tool](fmt, file, out)
    before = cpu_ns()
    query()
    spent = cpu_ns() - before
    rows, events, cents, distinct = told(out)
    print(json.dumps({"cpu_ns": spent, "rows": rows, "events": events, "cents": cents, "distinct": distinct}))


main()
