//! Who may ask on the control socket: root, the daemon's own user, the members of the socket's group.
//!
//! In: the socket's path, a peer's user and groups as the kernel saw them. Out: whether it may ask. The
//! file's permissions say the same; this holds where they were set wider by mistake, and for connections that
//! somebody else passed on. Must not know: requests.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::Peer;

/// Root's user id.
const ROOT: u32 = 0;
/// Permission of the group to connect.
const GROUP_WRITES: u32 = 0o020;
/// Who is turned down is logged no more often than this: else anybody could fill the log.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Who may ask.
#[derive(Debug)]
pub struct Admission {
    path: PathBuf,
    own: u32,
    told: Mutex<Option<Instant>>,
}

impl Admission {
    /// As the file at `path` says at each connection; if it is gone, only root and the daemon's own user.
    pub fn at(path: &Path) -> Admission {
        let own = rustix::process::geteuid().as_raw();
        Admission { path: path.to_owned(), own, told: Mutex::new(None) }
    }

    /// Whether this peer, a member of `groups` beside its own, may ask.
    pub(super) fn allows(&self, peer: Peer, groups: &[u32]) -> bool {
        let group = std::fs::metadata(&self.path).ok().filter(|file| file.mode() & GROUP_WRITES != 0);
        may_ask(peer, groups, self.own, group.map(|file| file.gid()))
    }

    /// Says no, in a sentence for who asked; logged as well, unless one was just logged.
    pub(super) fn turn_down(&self, peer: Peer) -> String {
        let Peer { uid, gid, pid } = peer;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(request = "", uid, gid, pid, outcome = "not allowed", "control");
        }
        let path = self.path.display();
        format!("user {uid} may not ask at {path}: only root, the daemon's user and members of its group may")
    }
}

fn may_ask(peer: Peer, groups: &[u32], own: u32, group: Option<u32>) -> bool {
    let is_member = |group| peer.gid == group || groups.contains(&group);
    peer.uid == ROOT || peer.uid == own || group.is_some_and(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_oneself_and_members_may_ask_and_nobody_else() {
        let peer = |uid, gid| Peer { pid: 1, uid, gid };
        assert!(may_ask(peer(0, 7), &[], 990, None));
        assert!(may_ask(peer(990, 7), &[], 990, None));
        assert!(may_ask(peer(1000, 44), &[], 990, Some(44)));
        assert!(may_ask(peer(1000, 7), &[8, 44], 990, Some(44)));
        assert!(!may_ask(peer(1000, 7), &[8, 9], 990, Some(44)));
        assert!(!may_ask(peer(1000, 0), &[0, 990], 990, None));
    }

    #[test]
    fn a_group_that_may_not_connect_does_not_count() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().expect("a file");
        let gid = std::fs::metadata(file.path()).expect("there").gid();
        let stranger = Peer { pid: 1, uid: 4_000_000, gid };
        let admission = Admission::at(file.path());
        let allowed = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).expect("its own");
            admission.allows(stranger, &[])
        };
        assert!(allowed(0o660) && !allowed(0o600) && !allowed(0o606));
        assert!(!Admission::at(Path::new("/nonexistent")).allows(stranger, &[]));
    }
}
