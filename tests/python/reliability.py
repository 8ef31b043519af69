"""Writes docs/reliability.md: what is promised, how each promise is tested, and what the last run of the tests
came to. Figures are the notes that the harnesses leave in target/reliability; without any nothing is written.

    .venv/bin/python tests/python/reliability.py
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

TEXT = """# Reliability

Written by `tests/run.sh` (`tests/python/reliability.py`) from what its harnesses did; edit the script, not this page.
A bound is for the probability that one such event loses or doubles anything, at 95 %: 3/N after N events without
a failure. It is a statement about the events that the tests make, on the machine that ran them.

## What was done
{figures}

Kills in rolls are aimed: the daemon is killed up to 12 ms after the first file of a roll is staged. Injected calls are
lives below strace: at the Nth `write`, `fdatasync`, `fsync`, `openat`, `rename`, `renameat2`, `pwrite64`, `unlink`,
`ftruncate` or `mkdir` of a thread it is killed, or the call fails with `EIO` or `ENOSPC`, while a file is followed and
an acknowledged sender sends; in the end each line of both is counted once.

## Promises, and what tests them
| promise | tested by |
|---|---|
| An acknowledged line (EBBD/1, HTTP) is counted once, whatever is killed, resent or reconnected | `tests/end_to_end/crash.rs`, `acked.rs`, `http.rs`, the simulator |
| A line of a followed file is counted once, over kills, power cuts and rotation by rename | `crash.rs`, `daemon/src/source/tests/files.rs`, the simulator |
| What was told durable is durable against power loss | power cuts on a real ext4 (`crash.rs`), the simulator on a disk that forgets each unsynced sector and name by chance |
| A file under its final name is whole, and no row is in two files | the simulator's recount of every file, `daemon/src/store/place.rs` |
| An alarm record that went out as durable is there after any crash, and has one row in `alarms` | the simulator |
| What a recovery comes to is what was: counts, verdicts, positions, senders | the simulator, at every checkpoint that a recovery passes |
| A roll that fails at the stop is done by the next start; a missing segment is told and counting goes on | `tests/end_to_end/rolls.rs` |
| The ledger balances: received = counted + control + duplicate + rejected + dropped | every end-to-end recount, the simulator |
| Plain senders lose at most 50 ms of input in a crash, and `dropped_crash` says how much of what had been read | `tests/end_to_end/lost.rs` |
| A failing or full disk stops no alarm; it heals by itself and what was counted meanwhile is kept, over a crash, too | `tests/end_to_end/bounds_disk.rs`, the simulator (failing calls, with and without time to heal) |

The simulator (`daemon/src/run/simulated`) runs the daemon's own sources, lanes, committer, judge, store and journal
step by step on a simulated disk and clock. The same seed comes out the same each time:
`SIMULATED_SEED=n cargo test -p ebbd --lib simulated`.

## Everything at once
`tests/end_to_end/soak.rs`: a followed file, an acknowledged and a plain sender at 1,000, 500 and up to 1,000 lines a
second, subscribers that never read, a connection that never says anything, on a disk of 96 MiB that is filled up now
and then. After each of these the counts were right to the line and the ledger balanced.

{soaks}

## Subscribers
Two daemons are fed the same lines at once; a crowd of subscribers that never read, read a byte now and then, or come
and go by the hundred moves from one to the other every four seconds. What a block waits until it is counted (99th
percentile, 0.24 ms without the crowd) is with it 1.005 times as long, 90 % interval 0.990 to 1.020, by 120 such rounds
on two quiet cores (`BOUNDS=full cargo test --profile ci -p ebbd --test end_to_end a_crowd -- --nocapture`). Every run
of the tests makes four rounds.

## Fuzzing
Every target of `tests/fuzz`, as it last ran; without findings, or there is no figure.

{fuzz}

## How long a recovery takes
`ebbd_journal_recovery_seconds` in `/metrics` and `ebbd status` say how long the last start took for it.
With 1e5 series: 0.4 s to readiness after a kill behind their first lines, 1.0 s behind a minute of 1e5 lines a second
(release build on two busy cores; 14 MB of journal). A segment that grows beyond 32 MiB ends after a minute at the
latest, and its rows are rolled at once, so that it can go.

## What it costs
Of the 165 ns of processor time that an event takes over a UNIX socket (docs/performance.md, S1), the journal's thread
takes 3.4 and the tally 1.6: 5 ns, 3 %. The tally is one `pwrite` of 128 bytes a block: 820 for 300,000 lines of 178
bytes (`strace -c -f -e trace=pwrite64 -p PID`), 0.57 us each (a loop of 300,000 such calls on the page cache).

## Mistakes made on purpose
The tests' own test: each mistake is compiled in for tests only, and a run of the tests fails if one is not noticed.

{mutants}

## Longer
| what | command |
|---|---|
| simulated lives | `SIMULATED_WORLDS=10000 cargo test --profile ci -p ebbd --lib simulated` |
| kills of the real process | `CRASH_ROUNDS=3000 CRASH_SEED=1000 cargo test --profile ci -p ebbd --test end_to_end crash::` |
| power cuts of the real process (root) | `POWER_ROUNDS=5000 CRASH_SEED=1000 cargo test --profile ci -p ebbd --test end_to_end power_cuts` |
| injected calls, all 1,200 | `INJECT_ROUNDS=1200 cargo test --profile ci -p ebbd --test end_to_end injected` |
| everything at once, five minutes | `SOAK_SECONDS=300 cargo test --profile ci -p ebbd --test end_to_end soak` |
| subscribers, eight minutes | `BOUNDS=full cargo test --profile ci -p ebbd --test end_to_end a_crowd` |
| fuzzing | `tests/fuzz/run.sh 3600` |

## What is not promised
- Plain senders (no greeting) and UDP lose what the kernel held when the daemon was killed: a bound is told, not a number.
- After a power cut, what plain senders lost is not known exactly; the tally does not outlive the machine.
- Copy-truncate loses what was written between the last look and the cut.
- While the journal cannot be written, commits are in memory alone: nothing of them is acknowledged or noted as read,
  so files and acknowledged senders lose nothing by a crash then. The segment that heals it begins with all of them, up
  to 64 MiB; of more (`ebbd_journal_given_up_commits`) a crash before the next roll is through loses the rows.
- Records are sent at least once: after a crash one may come again under its number.
- A disk that lies about a sync, or loses what it had synced, is beyond any of this.
"""


def notes():
    found = []
    for path in sorted((ROOT / "target/reliability").glob("*.json")):
        found.append(json.loads(path.read_text()))
    return found


def bound(count):
    return f"{100 * 3 / count:.2g} %" if count else "none"


def figures(found):
    rows = ["| events | number | lost or doubled | 95 % bound |", "|---|---|---|---|"]
    kinds = sorted({note["what"] for note in found} - {"mutant", "soak", "fuzz"})
    for kind in kinds:
        parts = [note for note in found if note["what"] == kind]
        skipped = [note["figure"] for note in parts if note["part"] == "skipped"]
        count = sum(int(note["figure"]) for note in parts if note["part"] != "skipped")
        if count:
            rows.append(f"| {kind} | {count} | 0 | {bound(count)} |")
        else:
            rows.append(f"| {kind} | skipped: {skipped[0]} | | |")
    return "\n".join(rows)


def table(found, what, head):
    rows = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    rows += [f"| {note['part']} | {note['figure']} |" for note in found if note["what"] == what]
    return "\n".join(rows)


def main():
    found = notes()
    if not found:
        sys.exit("no harness has left anything in target/reliability: run the tests first")
    text = TEXT.format(
        figures=figures(found),
        mutants=table(found, "mutant", ("mistake", "first noticed by")),
        soaks=table(found, "soak", ("time", "what happened")),
        fuzz=table(found, "fuzz", ("target", "last run")),
    )
    (ROOT / "docs/reliability.md").write_text(text)


main()
