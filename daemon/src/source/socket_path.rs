//! UNIX sockets at paths: stale ones are cleared away, others never; permissions; removal at the end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, chown};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::SocketPath;

/// A path that a socket of this process is bound to. Dropping it removes the path, unless somebody
/// else's socket has taken its place.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    identity: (u64, u64),
}

/// Binds a socket of type `kind` at `place`.
///
/// # Errors
/// `AddrInUse` if somebody listens there, `AlreadyExists` if the path is no socket, and what the system
/// says.
pub(super) fn bind_path(place: &SocketPath, kind: Type) -> io::Result<(Socket, BoundPath)> {
    let group = place.group.as_deref().map(find_group).transpose()?;
    let address = SockAddr::unix(&place.path)?;
    clear_stale(&place.path, &address, kind)?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.bind(&address)?;
    fs::set_permissions(&place.path, fs::Permissions::from_mode(place.mode))?;
    if let Some(group) = group {
        chown(&place.path, None, Some(group.gid))?;
    }
    let identity = identity(&place.path)?;
    Ok((socket, BoundPath { path: place.path.clone(), identity }))
}

fn find_group(name: &str) -> io::Result<Group> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no group \"{name}\""));
    Group::from_name(name)?.ok_or_else(unknown)
}

/// Removes a socket that nobody listens at any more.
fn clear_stale(path: &Path, address: &SockAddr, kind: Type) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is no socket"));
    }
    // Without blocking: a full backlog is somebody, too.
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A socket of another type answers, too: it is alive.
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // The next start clears it away if this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The descriptor of a socket, not blocking.
pub(super) fn unblocked(socket: Socket) -> io::Result<OwnedFd> {
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &Path) -> SocketPath {
        SocketPath { path: path.to_owned(), mode: 0o660, group: None }
    }

    #[test]
    fn stale_sockets_are_cleared_live_ones_and_files_are_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for kind in [Type::STREAM, Type::DGRAM] {
            let path = dir.path().join(format!("{kind:?}"));
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound, then left behind"));
            let (socket, bound) = bind_path(&place(&path), kind).expect("the stale one is cleared away");
            if kind == Type::STREAM {
                socket.listen(1).expect("listens");
            }
            let mode = fs::symlink_metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o660);
            let second = bind_path(&place(&path), kind).map(|_| ()).map_err(|e| e.kind());
            assert_eq!(second, Err(io::ErrorKind::AddrInUse));
            drop((socket, bound));
            assert!(!path.exists(), "removed at the end");
        }
        let file = dir.path().join("file");
        fs::write(&file, "precious").expect("written");
        let refused = bind_path(&place(&file), Type::STREAM).map(|_| ()).map_err(|e| e.kind());
        assert_eq!(refused, Err(io::ErrorKind::AlreadyExists));
        assert!(file.exists());
    }

    #[test]
    fn a_successor_s_socket_is_left_alone_and_groups_are_looked_up() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("s");
        let (_old, bound) = bind_path(&place(&path), Type::STREAM).expect("bound");
        fs::remove_file(&path).expect("removed");
        fs::write(dir.path().join("placeholder"), "").expect("takes the inode");
        let _successor = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        drop(bound);
        assert!(path.exists());
        let grouped = SocketPath { group: Some("no-such-group".to_owned()), ..place(&dir.path().join("g")) };
        let refused = bind_path(&grouped, Type::STREAM).map(|_| ()).map_err(|e| e.kind());
        assert_eq!(refused, Err(io::ErrorKind::NotFound));
    }
}
