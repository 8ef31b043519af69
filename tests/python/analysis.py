#!/usr/bin/env python3
"""Runs every block of docs/analysis.md: analysis.py PAGE DIRECTORY_WITH_EBBD_DATA

Each block has to bring rows, and wherever it prints a total that has to be the same. Prints one JSON object: by the
block's heading how many rows or lines it brought.
"""

import contextlib
import io
import json
import os
import re
import sys

import duckdb


def blocks(page):
    """(heading, language, text)"""
    heading, language, text = "", None, []
    for line in page.splitlines():
        if language is not None:
            if line == "```":
                yield heading, language, "\n".join(text)
                language, text = None, []
            else:
                text.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("```"):
            language = line[3:]


def run_sql(text):
    rows = 0
    for statement in re.sub(r"--.*", "", text).split(";"):
        if statement.strip():
            answer = duckdb.sql(statement)
            is_view = statement.lstrip().startswith("create")
            rows = rows + 1 if is_view else answer.to_arrow_table().num_rows
    return rows


def run_python(text):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(text, "docs/analysis.md", "exec"), {})
    return said.getvalue().strip().splitlines()


def main(page, directory):
    os.chdir(directory)
    duckdb.sql("set timezone = 'UTC'")
    answer, totals = {}, {}
    for heading, language, text in blocks(page):
        try:
            brought = run_sql(text) if language == "sql" else run_python(text)
        except Exception as error:
            sys.exit(f"{heading}: {error}\n{text}")
        if language == "python":
            totals |= {heading: line.split()[1] for line in brought if line.startswith("total ")}
            brought = len(brought)
        if not brought:
            sys.exit(f"{heading}: it brings nothing\n{text}")
        answer[heading] = brought
    total = str(duckdb.sql("select sum(count)::bigint from minutes").fetchall()[0][0])
    if len(totals) != 3 or set(totals.values()) != {total}:
        sys.exit(f"sums differ: DuckDB {total}, {totals}")
    print(json.dumps(answer))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        main(file.read(), sys.argv[2])
