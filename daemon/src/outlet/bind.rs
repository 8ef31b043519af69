//! Listening on a path: mode and group as configured, a socket left behind by a dead daemon replaced, a
//! living one's never.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why a path cannot be listened on. Everything here is for the person who wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process answers there.
    #[error("{}: another process is listening there; is ebbd running already?", .0.display())]
    InUse(PathBuf),
    /// There is something that is no socket.
    #[error("{}: there is a file that is no socket; it is left alone", .0.display())]
    NotASocket(PathBuf),
    /// The group does not exist.
    #[error("{}: there is no group {group:?}", path.display())]
    NoGroup {
        /// The socket's path.
        path: PathBuf,
        /// The configured group.
        group: String,
    },
    /// The system refused.
    #[error("{}: {why}", path.display())]
    Refused {
        /// The socket's path.
        path: PathBuf,
        /// What it said.
        why: io::Error,
    },
}

/// Listens on `path` with these permissions. The folder is made if it is missing.
///
/// # Errors
/// See [`BindError`].
pub fn bind_unix(path: &Path, mode: u32, group: Option<&str>) -> Result<UnixListener, BindError> {
    let refused = |why| BindError::Refused { path: path.to_owned(), why };
    if let Some(folder) = path.parent() {
        // Whatever the umask: who may write here may put another socket in its place.
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(refused)?;
    }
    clear(path)?;
    // Made under a name of its own, so that nobody connects before mode and group are right.
    let staged = staged_name(path);
    let _ = std::fs::remove_file(&staged);
    let listener = UnixListener::bind(&staged).map_err(refused)?;
    let ready =
        permit(&staged, path, mode, group).and_then(|()| std::fs::rename(&staged, path).map_err(refused));
    if ready.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    ready.map(|()| listener)
}

/// A listener that the service manager handed over.
///
/// # Errors
/// The descriptor cannot be made non-blocking.
pub fn unix_from_fd(fd: OwnedFd) -> io::Result<UnixListener> {
    let listener = UnixListener::from(fd);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn staged_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

/// Removes a dead daemon's socket.
fn clear(path: &Path) -> Result<(), BindError> {
    let refused = |why| BindError::Refused { path: path.to_owned(), why };
    match std::fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(refused(why)),
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(refused)
            }
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Err(refused(why)),
            _ => Err(BindError::InUse(path.to_owned())),
        },
    }
}

fn permit(staged: &Path, path: &Path, mode: u32, group: Option<&str>) -> Result<(), BindError> {
    let refused = |why| BindError::Refused { path: path.to_owned(), why };
    std::fs::set_permissions(staged, std::fs::Permissions::from_mode(mode)).map_err(refused)?;
    let Some(group) = group else { return Ok(()) };
    let known = nix::unistd::Group::from_name(group).map_err(|errno| refused(errno.into()))?;
    let missing = || BindError::NoGroup { path: path.to_owned(), group: group.to_owned() };
    let gid = known.ok_or_else(missing)?.gid.as_raw();
    chown(staged, None, Some(gid)).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_dead_and_spares_the_living() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/alarms.sock");
        let living = bind_unix(&path, 0o660, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(bind_unix(&path, 0o660, None), Err(BindError::InUse(_))));
        drop(living);
        bind_unix(&path, 0o600, None).unwrap();
        let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn leaves_other_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "keep me").unwrap();
        assert!(matches!(bind_unix(&path, 0o660, None), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");
        let socket = folder.path().join("s.sock");
        let nobody = bind_unix(&socket, 0o660, Some("no-such-group-at-all")).unwrap_err();
        assert!(nobody.to_string().ends_with("there is no group \"no-such-group-at-all\""), "{nobody}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
