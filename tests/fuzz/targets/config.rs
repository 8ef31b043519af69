//! Configurations and expectations: any text gives one, or problems with a place and words; a problem can be
//! printed; what is accepted is accepted again.
#![no_main]

use std::sync::LazyLock;

use ebbd::config::{Config, Problem, Secrets, Surroundings, read_expectations};
use libfuzzer_sys::fuzz_target;

static HERE: LazyLock<Surroundings> =
    LazyLock::new(|| Surroundings { host: "fuzz".to_owned(), cores: 2, secrets: Secrets::Unread });

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let checked = Config::check(&text, None, &HERE);
    assert_eq!(checked.config.is_some(), checked.errors.is_empty(), "a configuration or errors");
    checked.errors.iter().chain(&checked.warnings).for_each(|problem| printed(problem, &text));
    if let Some(config) = checked.config {
        let again =
            Config::check(&config.text, None, &HERE).config.expect("what is accepted is accepted again");
        assert_eq!(again.hash(), config.hash());
    }
    match read_expectations(&text, &["marketplace", "status"]) {
        Ok(_) => {}
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| printed(problem, &text));
        }
    }
});

fn printed(problem: &Problem, text: &str) {
    assert!(problem.line >= 1 && problem.line <= text.matches('\n').count() + 1, "{problem:?}");
    let told = problem.render("ebbd.toml", "error");
    assert!(told.starts_with("ebbd.toml:") && told.ends_with('\n'));
}
