#!/usr/bin/env python3
"""Runs one DuckDB statement and prints each row as a JSON object: sql.py "select …"."""

import json
import sys

import duckdb


def main(statement):
    duckdb.sql("set timezone = 'UTC'")
    answer = duckdb.sql(statement)
    for row in answer.fetchall():
        print(json.dumps(dict(zip(answer.columns, row)), default=str, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
