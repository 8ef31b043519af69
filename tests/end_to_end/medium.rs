//! What a daemon's data lie on, and how it dies there: killed, or with its power cut.
//!
//! A power cut is ext4's own: the process is stopped, the file system shut down without writing its log, the
//! process killed and the file system mounted again. It takes root and a loop device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::support::Running;

/// Where data lie.
pub trait Medium {
    /// The daemon's end.
    fn dies(&mut self, running: Running);

    /// What kind of death that is.
    fn name(&self) -> &'static str;
}

/// A directory: what was written stays.
pub struct PlainDir;

impl Medium for PlainDir {
    fn dies(&mut self, running: Running) {
        drop(running);
    }

    fn name(&self) -> &'static str {
        "kills"
    }
}

/// A file system of its own in an image.
pub struct Loop {
    image: PathBuf,
    dir: PathBuf,
}

/// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: a call that only root can make, without a line of C.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))\n";

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {told}")) }
}

impl Loop {
    /// A new file system in `image`, mounted at `dir`; the error says why that cannot be had here.
    pub fn mounted(image: &Path, dir: &Path) -> Result<Loop, String> {
        fs::File::create(image).and_then(|file| file.set_len(96 << 20)).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0"]).arg(image))?;
        fs::create_dir_all(dir).unwrap();
        let made = Loop { image: image.to_owned(), dir: dir.to_owned() };
        made.mount()?;
        Ok(made)
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.dir))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.dir))
    }
}

impl Medium for Loop {
    fn dies(&mut self, running: Running) {
        // Else it would be told of a disk that fails, and say so to senders.
        running.signal(Signal::STOP);
        run(Command::new("python3").args(["-c", SHUT_DOWN]).arg(&self.dir)).unwrap();
        drop(running);
        let mut unmounted = self.unmount();
        for _ in 0..100 {
            if unmounted.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            unmounted = self.unmount();
        }
        unmounted.and_then(|()| self.mount()).unwrap();
    }

    fn name(&self) -> &'static str {
        "power cuts"
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // At the end of the test, passed or not, nothing of it stays mounted.
        let _ = run(Command::new("umount").arg("-l").arg(&self.dir));
    }
}
