//! The configuration as the daemon uses it: everything resolved, bounded and in one unit.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ebbd_core::decode::SourceSpec;
use ebbd_core::model::{CalendarEntry, Limits, StreamSpec, View};

use super::Problem;
use super::token::{Secrets, Token};

/// A checked configuration. Times are microseconds, sizes bytes, names resolved to ids.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from; none for the defaults.
    pub path: Option<PathBuf>,
    /// Where all data are kept.
    pub data_dir: PathBuf,
    /// Threads that parse and count, at least 1 (`lanes = 0` is resolved).
    pub lanes: usize,
    /// This host's name, as it stands in records and file names.
    pub host: String,
    /// What this daemon sees of the shop.
    pub view: View,
    /// Where HTTP is served; none if it is off.
    pub http: Option<SocketAddr>,
    /// Names by which browsers may ask for it, the host's own with them.
    pub http_names: Arc<[String]>,
    /// The declared streams in the order of the file; ids are places in this list.
    pub streams: Arc<[StreamSpec]>,
    /// The declared sources in the order of the file; ids are places in this list.
    pub sources: Vec<SourceConfig>,
    /// The alarm socket.
    pub alarms: SocketPath,
    /// The control socket.
    pub control: SocketPath,
    /// Bounds.
    pub limits: LimitsConfig,
    /// When Parquet is written and how long it is kept.
    pub parquet: ParquetConfig,
    /// Samples of rejected lines; none if they are off.
    pub rejects: Option<RejectsConfig>,
    /// The false-alarm budget.
    pub detect: DetectConfig,
    /// Watched ratios between streams.
    pub funnels: Vec<FunnelConfig>,
    /// Days unlike others.
    pub calendar: Vec<CalendarEntry>,
    /// Where alarms are sent.
    pub outlets: Vec<OutletConfig>,
    /// The text that it was read from; empty for the defaults.
    pub text: String,
    /// What is accepted but deserves a word; `run` logs them, `check` prints them.
    pub(super) warnings: Vec<Problem>,
}

impl Config {
    /// What was accepted but deserves a word, in the order of the file.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// What the core needs to know of the sources, in their order.
    pub fn source_specs(&self) -> Arc<[SourceSpec]> {
        self.sources.iter().map(|source| source.spec.clone()).collect()
    }

    /// The file's name for messages: `ebbd.toml`, or `(defaults)`.
    pub fn file_name(&self) -> String {
        self.path.as_ref().map_or_else(|| "(defaults)".to_owned(), |path| path.display().to_string())
    }
}

/// A UNIX socket path with its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath {
    /// Where it is bound.
    pub path: PathBuf,
    /// Permission bits, at most `0o777`.
    pub mode: u32,
    /// Group that owns it; none keeps the process's own.
    pub group: Option<String>,
}

/// Where a file source begins with a file it has never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At its first byte.
    Start,
    /// Behind its last byte.
    End,
}

/// How UDP is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    /// The kernel joins datagrams of one sender into trains: far cheaper where senders segment, but a train
    /// that is dropped counts as one datagram.
    pub gro: bool,
    /// Sockets that share the port, each with a thread.
    pub receivers: usize,
}

impl Default for UdpOptions {
    fn default() -> UdpOptions {
        UdpOptions { gro: false, receivers: 1 }
    }
}

/// How a source's lines come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A UNIX stream socket.
    Unix(SocketPath),
    /// A UNIX datagram socket.
    UnixDatagram(SocketPath),
    /// A TCP listener.
    Tcp {
        /// Address and port.
        addr: SocketAddr,
    },
    /// UDP sockets.
    Udp {
        /// Address and port.
        addr: SocketAddr,
        /// How they are received.
        options: UdpOptions,
    },
    /// Files that grow.
    File {
        /// A path, possibly with `*`, `?` and `[…]`.
        glob: String,
        /// Where a file that was never seen begins.
        from: From,
    },
    /// Standard input.
    Stdin,
    /// InfluxDB's and ebbd's own HTTP writes.
    Http {
        /// Address and port.
        addr: SocketAddr,
        /// File with the token that writers must present.
        token_file: Option<PathBuf>,
        /// The token, if its file was read.
        token: Option<Token>,
    },
}

impl SourceKind {
    /// The name in the configuration: `unix`, `udp`, ….
    pub fn name(&self) -> &'static str {
        match self {
            SourceKind::Unix(_) => "unix",
            SourceKind::UnixDatagram(_) => "unix_datagram",
            SourceKind::Tcp { .. } => "tcp",
            SourceKind::Udp { .. } => "udp",
            SourceKind::File { .. } => "file",
            SourceKind::Stdin => "stdin",
            SourceKind::Http { .. } => "http",
        }
    }

    /// The address, path or glob as people read it; `-` for standard input.
    pub fn place(&self) -> String {
        match self {
            SourceKind::Unix(socket) | SourceKind::UnixDatagram(socket) => socket.path.display().to_string(),
            SourceKind::Tcp { addr } | SourceKind::Udp { addr, .. } | SourceKind::Http { addr, .. } => {
                addr.to_string()
            }
            SourceKind::File { glob, .. } => glob.clone(),
            SourceKind::Stdin => "-".to_owned(),
        }
    }

    /// The network address, if it has one.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self {
            SourceKind::Tcp { addr } | SourceKind::Udp { addr, .. } | SourceKind::Http { addr, .. } => {
                Some(*addr)
            }
            _ => None,
        }
    }

    /// Whether the kernel may join datagrams into trains: what it then says it dropped is a lower bound.
    pub fn joins_datagrams(&self) -> bool {
        matches!(self, SourceKind::Udp { options: UdpOptions { gro: true, .. }, .. })
    }

    /// Whether lines come over connections (and can therefore be acknowledged).
    pub fn is_stream(&self) -> bool {
        matches!(self, SourceKind::Unix(_) | SourceKind::Tcp { .. })
    }
}

/// A declared source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// What the core needs to know of it.
    pub spec: SourceSpec,
    /// How its lines come in.
    pub kind: SourceKind,
    /// Whether EBBD/1 greetings are accepted; only ever true for stream kinds.
    pub ack: bool,
    /// Most connections at once (stream kinds).
    pub connections: usize,
    /// A line without its end is given up when its connection stayed idle this long.
    pub partial_line_ms: u64,
}

/// Bounds. The sum of what components declare fits `memory`, else the configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes the daemon may use.
    pub memory: u64,
    /// The core's own bounds.
    pub core: Limits,
    /// Watched slices that are judged, over all streams; beyond, values become `__other__`.
    pub slices: usize,
}

/// When Parquet is written, compacted and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParquetConfig {
    /// How long until a sealed minute can be read.
    pub roll_us: i64,
    /// How often closed days are merged.
    pub compact_us: i64,
    /// How long each dataset is kept.
    pub retain: Retain,
}

/// How long each dataset is kept, in microseconds; none is forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// `minutes`.
    pub minutes_us: Option<i64>,
    /// `slices`.
    pub slices_us: Option<i64>,
    /// `ledger`.
    pub ledger_us: Option<i64>,
    /// `incidents` and `incident_money`.
    pub incidents_us: Option<i64>,
    /// `alarms`.
    pub alarms_us: Option<i64>,
    /// `marks`.
    pub marks_us: Option<i64>,
    /// `sources`.
    pub sources_us: Option<i64>,
}

/// Samples of rejected lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectsConfig {
    /// How long samples are kept.
    pub keep_us: i64,
    /// Bytes of all samples together.
    pub max_bytes: u64,
}

/// The false-alarm budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectConfig {
    /// Drop alarms that page although nothing is wrong, per week, over all watched slices.
    pub false_alarms_per_week: f64,
}

/// A watched ratio: what one stream should bring in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelConfig {
    /// Its name.
    pub name: String,
    /// Name of the stream that comes first.
    pub from: String,
    /// Name of the stream that should follow.
    pub to: String,
    /// Names of dimensions that both streams have.
    pub by: Vec<String>,
    /// How long after.
    pub within_us: i64,
}

/// What an outlet speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutletKind {
    /// Prometheus Alertmanager's API.
    Alertmanager,
    /// The alarm record as a POST body.
    Webhook,
}

impl OutletKind {
    /// All of them.
    pub const ALL: [OutletKind; 2] = [OutletKind::Alertmanager, OutletKind::Webhook];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OutletKind::Alertmanager => "alertmanager",
            OutletKind::Webhook => "webhook",
        }
    }
}

/// Where alarms are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletConfig {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: OutletKind,
    /// Where it is: `http` or `https`.
    pub url: String,
    /// Authorities that may vouch for an `https` server, as PEM; none: those of the system.
    pub ca_file: Option<PathBuf>,
}

/// What a configuration is checked against besides its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The host's name.
    pub host: String,
    /// Processor cores.
    pub cores: usize,
    /// Files with secrets.
    pub secrets: Secrets,
}

/// The streams by name, for sections that refer to them.
pub(super) type StreamNames<'a> = BTreeMap<&'a str, usize>;
