//! ebbd daemon.
