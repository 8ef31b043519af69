//! `ebbd sources`: who sends, who ought to, whose silence says nothing any more.

use clap::{Args, Subcommand};
use ebbd_core::report::{escape, visible, visible_json};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::reach::{Reach, tell};
use super::status::sources_text;
use super::{OK, TROUBLE};
use crate::control::{NamedSource, Request, call};
use crate::telemetry::SourceStatus;

/// What `sources` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd sources list\n  \
    ebbd sources expect web-03      (its silence is missing data)\n  \
    ebbd sources forget web-03      (it is gone for good: its silence says nothing)")]
pub struct SourcesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every source and the hosts that send to it
    List {
        #[command(flatten)]
        reach: Reach,
        /// One JSON object a source
        #[arg(long)]
        json: bool,
    },
    /// From now on this source or host ought to send
    Expect {
        #[command(flatten)]
        reach: Reach,
        /// The source's or host's name
        name: String,
    },
    /// From now on this source's or host's silence says nothing
    Forget {
        #[command(flatten)]
        reach: Reach,
        /// The source's or host's name
        name: String,
    },
}

/// Asks and prints; gives the exit code.
pub fn run(args: &SourcesArgs) -> i32 {
    match &args.what {
        What::List { reach, json } => list(reach, *json),
        What::Expect { reach, name } => {
            let request = Request::SourcesExpect(NamedSource { name: name.clone() });
            tell_done(reach, &request, &format!("{} is expected: its silence is missing data", escape(name)))
        }
        What::Forget { reach, name } => {
            let request = Request::SourcesForget(NamedSource { name: name.clone() });
            tell_done(reach, &request, &format!("{} is forgotten: its silence says nothing", escape(name)))
        }
    }
}

fn list(reach: &Reach, json: bool) -> i32 {
    let path = match reach.control() {
        Ok(path) => path,
        Err(code) => return code,
    };
    let answer = match call(&path, &Request::SourcesList) {
        Ok(answer) => answer,
        Err(error) => return tell("sources", &error),
    };
    if json {
        answer
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|source| println!("{}", visible_json(&source.to_string())));
        return OK;
    }
    match serde_json::from_value::<Vec<SourceStatus>>(answer) {
        Ok(sources) => {
            print!("{}", sources_text(&sources, &Timestamp::now().to_string(), &TimeZone::system()));
            OK
        }
        Err(error) => {
            eprintln!(
                "ebbd sources: the daemon's answer is not understood ({}); try --json",
                visible(&error.to_string())
            );
            TROUBLE
        }
    }
}

fn tell_done(reach: &Reach, request: &Request, done: &str) -> i32 {
    let path = match reach.control() {
        Ok(path) => path,
        Err(code) => return code,
    };
    match call(&path, request) {
        Ok(_) => {
            println!("{done}");
            OK
        }
        Err(error) => tell("sources", &error),
    }
}
