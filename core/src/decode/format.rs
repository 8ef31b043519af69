//! The registry of formats. A new one is its file, its `mod` line, and its entry here.

use super::parser::Parse;

macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident = $name:literal, $parser:ty;)*) => {
        /// The format of a source's lines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            /// Every format, in the order of the registry.
            pub const ALL: [Format; [$($name),*].len()] = [$(Format::$format),*];

            /// The name used in configuration and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Format::$format => $name,)*
                }
            }

            /// A fresh parser of this format.
            pub(super) fn parser(self) -> Box<dyn Parse> {
                match self {
                    $(Format::$format => Box::<$parser>::default(),)*
                }
            }
        }
    };
}

formats! {
    /// One JSON object a line (RFC 8259).
    Ndjson = "ndjson", super::ndjson::Ndjson;
    /// InfluxDB line protocol v2.
    Influx = "influx", super::influx::Influx;
    /// StatsD and DogStatsD counters.
    Statsd = "statsd", super::statsd::Statsd;
}
