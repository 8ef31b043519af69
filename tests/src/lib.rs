//! Tests that cross processes, and what they share.
