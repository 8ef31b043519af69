//! The ebbd daemon: everything that touches the world around [`ebbd_core`].
//!
//! Threads: one per source, one per lane, one committer, one judge, one writer; tokio serves
//! subscribers, HTTP and control only. See ARCHITECTURE.md for the picture.

pub mod command;
pub mod commit;
pub mod compact;
pub mod config;
pub mod control;
pub mod journal;
pub mod judge;
pub mod lane;
pub mod outlet;
pub mod run;
pub mod service;
pub mod source;
pub mod store;
pub mod stored;
pub mod sys;
pub mod telemetry;
