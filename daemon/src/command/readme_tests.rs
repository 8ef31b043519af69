//! The commands in the README and the docs are ones that the program accepts.

use clap::{CommandFactory, Parser};

use super::Cli;

fn documented(file: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("ebbd ") {
            let command = line.split('#').next().unwrap_or_default();
            commands.push(command.trim().to_owned());
        }
    }
    commands
}

/// Splits as a shell does, as far as the documents need it: blanks and double quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn documented_commands_are_accepted() {
    let commands = documented("README.md");
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        if let Err(error) = Cli::try_parse_from(words(&command)) {
            panic!("{command}\n{error}");
        }
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let cli = Cli::command();
    for command in cli.get_subcommands() {
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(example.contains("Example"), "{} has no example", command.get_name());
        assert!(command.get_about().is_some(), "{} has no summary", command.get_name());
    }
}
