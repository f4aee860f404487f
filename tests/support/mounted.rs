//! File systems of their own, for as long as a test lasts.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Something mounted at a folder.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts there, as these arguments of `mount` say. None where this user may not.
    pub(crate) fn at(folder: &Path, args: &[&str]) -> Option<Self> {
        let mounted = Command::new("mount").args(args).arg(folder).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(folder.to_owned()))
    }

    /// A file system in memory that takes so much.
    pub(crate) fn of_size(folder: &Path, size: &str) -> Option<Self> {
        Self::at(folder, &["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
    }

    /// Changes it.
    pub(crate) fn again(&self, options: &str) {
        let changed = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).output();
        assert!(changed.unwrap().status.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
