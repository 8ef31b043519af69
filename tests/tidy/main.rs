//! The house rules as a test: what is not checked by a machine is not a rule.

mod order;
mod source;

use source::SourceFile;

/// Functions over 70 lines and files over 500, each with the reason why it stays so.
const LONG: &[(&str, &str)] = &[];

/// Where `unsafe` may stand, each block with its SAFETY proof.
const UNSAFE_FOLDERS: &[&str] = &["core/src/sync/", "core/src/simd/", "daemon/src/sys/", "tests/no_alloc.rs"];

/// What the core must not touch: it is a function of what is handed to it.
const BANNED_IN_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Mutex",
    "RwLock",
    "tokio",
    "std::env",
    "Timestamp::now",
    "Zoned::now",
];

/// Names that say nothing.
const BANNED_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

fn fail_on(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

fn findings(check: impl Fn(&SourceFile) -> Vec<String>) -> Vec<String> {
    source::all().iter().flat_map(check).collect()
}

fn excused(path: &str, name: &str) -> bool {
    LONG.iter().any(|(long, _)| *long == path || *long == format!("{path}::{name}"))
}

#[test]
fn the_lexer_sees_files_and_functions() {
    let files = source::all();
    assert!(files.len() > 50, "only {} files found", files.len());
    let functions: usize = files.iter().map(|f| f.functions().len()).sum();
    assert!(functions > 300, "only {functions} functions found");
}

#[test]
fn functions_have_at_most_70_lines() {
    let long = findings(|file| {
        let long = file.functions().into_iter().filter(|f| f.lines > 70 && !excused(&file.path, &f.name));
        long.map(|f| format!("{}:{} fn {} has {} lines", file.path, f.line, f.name, f.lines)).collect()
    });
    fail_on("functions of at most 70 lines", long);
}

#[test]
fn the_median_function_is_short() {
    let mut lengths: Vec<usize> =
        source::all().iter().flat_map(|f| f.functions()).map(|function| function.lines).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 10, "the median function has {median} lines");
}

#[test]
fn files_have_at_most_500_lines() {
    let long = findings(|file| {
        let lines = file.text.lines().count();
        let too_long = lines > 500 && !excused(&file.path, "");
        too_long.then(|| format!("{} has {lines} lines", file.path)).into_iter().collect()
    });
    fail_on("files of at most 500 lines", long);
}

#[test]
fn every_file_begins_with_its_head() {
    let headless = findings(|file| {
        let bare = !file.text.starts_with("//!");
        bare.then(|| file.path.clone()).into_iter().collect()
    });
    fail_on("a head (//!) in every file", headless);
}

#[test]
fn names_say_something() {
    let empty_names = findings(|file| {
        let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        parts.filter(|part| BANNED_NAMES.contains(part)).map(|_| file.path.clone()).collect()
    });
    fail_on("no files or folders named like a junk drawer", empty_names);
}

#[test]
fn modules_are_folders_with_mod_rs() {
    let both = findings(|file| {
        let beside = file.path.trim_end_matches(".rs").to_owned();
        let folder = source::root().join(&beside).is_dir() && !file.path.ends_with("/lib.rs");
        folder.then(|| file.path.clone()).into_iter().collect()
    });
    fail_on("mod.rs inside the folder, never name.rs beside it", both);
}

#[test]
fn nothing_unwraps_outside_tests() {
    let unwraps = findings(|file| file.lines_with(&[".unwrap()", "todo!(", "unimplemented!(", "dbg!("]));
    fail_on("no unwrap, todo or dbg outside tests", unwraps);
}

#[test]
fn unsafe_stays_where_it_is_allowed_and_is_explained() {
    let loose = findings(|file| file.unexplained_unsafe(UNSAFE_FOLDERS));
    fail_on("unsafe only in the named folders, each with SAFETY", loose);
}

#[test]
fn the_core_touches_nothing() {
    let touching = findings(|file| {
        if file.path.starts_with("core/src/") { file.lines_with(BANNED_IN_CORE) } else { Vec::new() }
    });
    fail_on("no clock, socket, file, thread or lock in core", touching);
}

#[test]
fn modules_use_only_those_above_them() {
    fail_on("module order", order::violations());
}
