//! Addresses: `host:port`, socket paths with their mode and group, and that no two are the same.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::checked::SocketPath;
use super::written::{Item, Section, Span};

/// Longest path of a UNIX socket in bytes (`sun_path` less its end).
const MAX_SOCKET_PATH: usize = 107;

/// Permission bits unless `mode` is written.
pub(super) const DEFAULT_MODE: u32 = 0o660;

/// An address and port, or an error; port 0 asks for any. Names other than `localhost` are refused: they may change.
pub(super) fn addr(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.text()?;
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => text.to_owned(),
    };
    match numeric.parse::<SocketAddr>() {
        Ok(addr) => Some(addr),
        Err(_) => {
            let hint = "write an IP address and a port: \"127.0.0.1:7781\", \"[::1]:7781\", \"0.0.0.0:7781\" for all";
            item.error(format!("{text:?} is no address and port"), hint);
            None
        }
    }
}

/// The socket path of a section: `listen`, `mode`, `group`.
pub(super) fn socket(
    section: &Section<'_>,
    default: Option<PathBuf>,
    default_mode: u32,
) -> Option<SocketPath> {
    let group = section.get("group").and_then(|item| group(&item));
    let usual = if group.is_some() { DEFAULT_MODE } else { default_mode };
    let mode = section.get("mode").and_then(|item| mode(&item)).unwrap_or(usual);
    let (path, span) = match section.get("listen") {
        Some(item) => (PathBuf::from(item.text()?), item.span.clone()),
        None => (default?, section.span.clone()),
    };
    check_socket_path(section, &path, &span).then_some(SocketPath { path, mode, group })
}

fn check_socket_path(section: &Section<'_>, path: &Path, span: &Span) -> bool {
    let bytes = path.as_os_str().len();
    let text = path.to_string_lossy();
    let (message, hint) = if bytes == 0 || text.ends_with('/') {
        (format!("{text:?} is no path of a socket"), "write a file's path: \"/run/ebbd/events.sock\"")
    } else if text.starts_with('@') || text.contains('\0') {
        ("abstract sockets have no permissions and are not offered".to_owned(), "write a path")
    } else if bytes > MAX_SOCKET_PATH {
        (
            format!("the socket's path has {bytes} bytes, the system allows {MAX_SOCKET_PATH}"),
            "use a shorter one",
        )
    } else {
        return true;
    };
    section.findings.error(span, message, hint);
    false
}

/// Octal permission bits: `"0660"`, or TOML's `0o660`.
fn mode(item: &Item<'_>) -> Option<u32> {
    let bits = match (item.as_text(), item.integer()) {
        (Some(text), _) => u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok(),
        (None, Some((number, 8))) => u32::try_from(number).ok(),
        (None, Some((number, _))) => {
            return item.wrong_type("octal text", &format!("mode = \"{number:0>4}\""));
        }
        (None, None) => return item.wrong_type("octal text", "mode = \"0660\""),
    };
    if bits.is_none_or(|bits| bits > 0o777) {
        item.error(
            "`mode` is no octal permission",
            "write mode = \"0660\" (owner and group), \"0600\", \"0666\"",
        );
    }
    bits.filter(|bits| *bits <= 0o777)
}

fn group(item: &Item<'_>) -> Option<String> {
    let name = item.text()?;
    let fits = !name.is_empty() && name.len() <= 32 && !name.contains([':', '/', ',', ' ', '\0']);
    if !fits {
        item.error(format!("{name:?} is no group's name"), "write a group such as \"ebbd-ingest\"");
    }
    fits.then(|| name.to_owned())
}

/// Listeners by transport and address, to tell two that would collide.
#[derive(Default)]
pub(super) struct Listeners(BTreeMap<String, String>);

impl Listeners {
    /// Notes that `owner` listens at `place` (e.g. `tcp 127.0.0.1:7780`) and tells if another does.
    pub(super) fn claim(&mut self, place: String, owner: &str, section: &Section<'_>) {
        // Two that ask for any port get two.
        let other = self.0.get(&place).filter(|_| !place.ends_with(":0"));
        if let Some(other) = other {
            let message = format!("{owner} would listen where {other} does ({place})");
            section.findings.error(&section.span, message, "give one of them another `listen`");
        }
        self.0.entry(place).or_insert_with(|| owner.to_owned());
    }
}
