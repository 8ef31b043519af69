//! `completions` and `man`: made from the very definitions that parse the arguments.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};

use super::{OK, TROUBLE};

/// What `completions` takes.
#[derive(Debug, Args)]
#[command(after_help = "Example: ebbd completions bash > /usr/share/bash-completion/completions/ebbd")]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// What `man` takes.
#[derive(Debug, Args)]
#[command(after_help = "Example: ebbd man --out /usr/share/man/man1")]
pub struct ManArgs {
    /// Folder for one page per command; without it, the main page goes to standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Prints the completion script.
pub fn completions(args: CompletionsArgs, command: &mut Command) -> i32 {
    clap_complete::generate(args.shell, command, "ebbd", &mut std::io::stdout());
    OK
}

/// Writes the man pages.
pub fn man(args: ManArgs, command: Command) -> i32 {
    let written = match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder))
        }
        None => print_main_page(command),
    };
    match written {
        Ok(()) => OK,
        Err(error) => {
            eprintln!("ebbd man: cannot write the pages: {error}");
            TROUBLE
        }
    }
}

fn print_main_page(command: Command) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    std::io::stdout().write_all(&page)
}
