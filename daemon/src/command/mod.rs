//! The commands: what is typed, where it goes, which exit code comes back.
//!
//! In: arguments. Out: 0 success, 1 "ran, and the answer is no", 2 usage or configuration, 3 I/O
//! trouble or an unreachable daemon. Must not know: how anything is counted or judged.

mod alarms;
mod check;
mod compact;
mod completions;
mod demo;
mod explain;
mod failure;
mod figures;
mod impact;
mod ingest;
mod lookup;
mod mark;
mod past_period;
mod reach;
mod replay;
mod report;
mod run;
mod send;
mod sources;
mod status;
mod top;
mod verify;
mod watch;

#[cfg(test)]
mod readme_tests;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Success.
pub const OK: i32 = 0;
/// It ran, and the answer is no.
pub const NO: i32 = 1;
/// A usage or configuration error.
pub const USAGE: i32 = 2;
/// I/O trouble, or a daemon that cannot be reached.
pub const TROUBLE: i32 = 3;

/// Counts order events and says, with evidence, when orders fall.
#[derive(Debug, Parser)]
#[command(name = "ebbd", version, about, long_about = None, max_term_width = 100)]
#[command(
    after_help = "Example: ebbd demo      (a simulated shop, an outage, its alarm; nothing else needed)"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::RunArgs),
    /// Show what it does: a simulated shop, an outage, its alarm, the recovery
    Demo(demo::DemoArgs),
    /// Count past events, or tables of counts, into the same Parquet
    Ingest(ingest::IngestArgs),
    /// Send lines to a daemon, each counted once however often it is sent
    Send(send::SendArgs),
    /// Check a configuration, and what it makes of real events
    Check(check::CheckArgs),
    /// Show alarms as they happen, or run a script for them
    Watch(watch::WatchArgs),
    /// Say how the daemon is: what it counted, who sends, what is late
    Status(status::StatusArgs),
    /// Show how everything is, live
    Top(top::TopArgs),
    /// List and show alarms, take, silence and label them
    Alarms(alarms::AlarmsArgs),
    /// Say which combinations of dimension values explain a shortfall, or a surplus
    Explain(explain::ExplainArgs),
    /// Write an incident's story: a page, Markdown or JSON
    Report(report::ReportArgs),
    /// Say what an alarm, a period or all incidents of a quarter have cost
    Impact(impact::ImpactArgs),
    /// Put past minutes through the detector: which alarms there would have been
    Replay(replay::ReplayArgs),
    /// Say that something was changed: a deploy, a flag, a promotion
    Mark(mark::MarkArgs),
    /// Say who sends, who ought to, whose silence says nothing
    Sources(sources::SourcesArgs),
    /// Merge the files of closed days, remove days that are too old
    Compact(compact::CompactArgs),
    /// Read every file and record, and say what is wrong with them
    Verify(verify::VerifyArgs),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions(completions::CompletionsArgs),
    /// Write the man pages
    #[command(hide = true)]
    Man(completions::ManArgs),
}

/// Reads the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    ExitCode::from(u8::try_from(dispatch(cli.command)).unwrap_or(3))
}

fn dispatch(command: Command) -> i32 {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Ingest(args) => ingest::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Check(args) => check::run(args),
        Command::Watch(args) => watch::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Alarms(args) => alarms::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Impact(args) => impact::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Mark(args) => mark::run(&args),
        Command::Sources(args) => sources::run(&args),
        Command::Compact(args) => compact::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Completions(args) => completions::completions(args, &mut Cli::command()),
        Command::Man(args) => completions::man(args, Cli::command()),
    }
}
