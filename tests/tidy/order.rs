//! The order of modules: each uses only those above it in its crate's list, so there are no cycles.

use crate::source::{self, SourceFile};

/// The core's modules, in the order in which data flows.
pub const CORE: &[&str] = &[
    "model",
    "sync",
    "simd",
    "decode",
    "intern",
    "aggregate",
    "baseline",
    "detect",
    "localize",
    "impact",
    "alarm",
    "judge",
    "columns",
    "report",
    "simulate",
    "replay",
];

/// The daemon's modules.
pub const DAEMON: &[&str] = &[
    "sys",
    "config",
    "telemetry",
    "service",
    "journal",
    "store",
    "lane",
    "source",
    "judge",
    "commit",
    "outlet",
    "control",
    "stored",
    "compact",
    "run",
    "command",
];

/// What a module must not know although it stands below it.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("daemon/src/lane/", &["store", "outlet", "columns"]),
    ("daemon/src/source/", &["store", "outlet", "columns"]),
];

/// Every use of a module by one that stands above it, every unknown module, every forbidden use.
pub fn violations() -> Vec<String> {
    let mut found = Vec::new();
    for file in source::all() {
        for (root, list) in [("core/src/", CORE), ("daemon/src/", DAEMON)] {
            if let Some(rest) = file.path.strip_prefix(root) {
                check(&file, rest, list, &mut found);
            }
        }
    }
    found
}

fn check(file: &SourceFile, rest: &str, list: &[&str], found: &mut Vec<String>) {
    let module = rest.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    if matches!(module, "lib" | "main") {
        return;
    }
    let Some(rank) = list.iter().position(|m| *m == module) else {
        found.push(format!("{}: module {module} is not in the list of tests/tidy/order.rs", file.path));
        return;
    };
    for (line, used) in uses(file) {
        let below = list.iter().position(|m| *m == used);
        if below.is_some_and(|used_rank| used_rank > rank) {
            found.push(format!("{}:{line} {module} uses {used}, which stands below it", file.path));
        }
        if forbidden(&file.path, &used) {
            found.push(format!("{}:{line} must not know {used}", file.path));
        }
    }
}

fn forbidden(path: &str, used: &str) -> bool {
    FORBIDDEN.iter().any(|(folder, names)| path.starts_with(folder) && names.contains(&used))
}

/// The top-level modules that a file's production code names through `crate::` or `ebbd_core::`.
fn uses(file: &SourceFile) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in file.code.lines().enumerate() {
        for prefix in ["crate::", "ebbd_core::columns"] {
            for (start, _) in line.match_indices(prefix) {
                let tail = if prefix == "crate::" { &line[start + prefix.len()..] } else { "columns" };
                let names = tail.trim_start_matches('{').split([',', '}']).map(str::trim);
                let names = names.take(if tail.starts_with('{') { usize::MAX } else { 1 });
                found.extend(names.map(|name| (at + 1, first_segment(name))));
            }
        }
    }
    found
}

fn first_segment(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
