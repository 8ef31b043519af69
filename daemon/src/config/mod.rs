//! The configuration: as written → as checked.
//!
//! In: the text of a TOML file and what it is checked against (host name, cores). Out: a [`Config`] in
//! which everything is resolved and bounded, or every [`Problem`] of the text at once.
//! Must not know: how anything is bound, counted or stored.

mod authorities;
mod calendar;
mod checked;
mod descriptors;
mod detect;
mod duration;
mod expected;
mod facts;
mod fields;
mod find;
mod funnel;
mod limits;
mod listen;
mod memory;
mod names;
mod nearest;
mod outlet;
mod parquet;
mod problem;
mod read;
mod route;
mod size;
mod source;
mod stream;
mod token;
mod watching;
mod written;
mod zones;

#[cfg(test)]
mod tests;

pub use authorities::authorities_of;
pub use checked::{
    Config, DetectConfig, From, FunnelConfig, LimitsConfig, OutletConfig, OutletKind, ParquetConfig,
    RejectsConfig, Retain, SocketPath, SourceConfig, SourceKind, Surroundings, UdpOptions,
};
pub use duration::{duration_text, parse_duration_us};
pub use expected::read_expectations;
pub use facts::{ConfigDiff, StreamChange, StreamDiff, route_text};
pub use find::ConfigError;
pub use memory::{HTTP_BODIES_BYTES, LANE_BLOCKS, MemoryBound, ReceiveBuffers, buffer_bytes};
pub use names::usable_dimension;
pub use nearest::nearest;
pub use problem::Problem;
pub use read::Checked;
pub use size::{parse_size, size_text};
pub use token::{Secrets, Token};
