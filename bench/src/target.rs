//! Where lines go to or come from, as it is written on the command line.

/// `unix:PATH`, `unixgram:PATH`, `tcp:HOST:PORT`, `udp:HOST:PORT`, `file:PATH`, `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A UNIX stream socket.
    Unix(String),
    /// A UNIX datagram socket.
    UnixDatagram(String),
    /// A TCP address.
    Tcp(String),
    /// A UDP address.
    Udp(String),
    /// A file, written anew.
    File(String),
    /// Standard output.
    Stdout,
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let rest = rest.to_owned();
        match scheme {
            "unix" => Ok(Target::Unix(rest)),
            "unixgram" => Ok(Target::UnixDatagram(rest)),
            "tcp" => Ok(Target::Tcp(rest)),
            "udp" => Ok(Target::Udp(rest)),
            "file" => Ok(Target::File(rest)),
            "-" => Ok(Target::Stdout),
            _ => Err(format!("{text}: want unix:PATH, unixgram:PATH, tcp:ADDR, udp:ADDR, file:PATH or -")),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Unix(path) => write!(f, "unix:{path}"),
            Target::UnixDatagram(path) => write!(f, "unixgram:{path}"),
            Target::Tcp(address) => write!(f, "tcp:{address}"),
            Target::Udp(address) => write!(f, "udp:{address}"),
            Target::File(path) => write!(f, "file:{path}"),
            Target::Stdout => f.write_str("-"),
        }
    }
}
