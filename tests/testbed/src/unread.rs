//! A pipe that is full and that nobody reads: the standard output of a program whose reader hangs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pipe::fcntl_getpipe_size;

/// Both ends of the pipe. While this lives, whoever writes to the pipe waits.
pub(crate) struct Unread {
    _ends: File,
}

impl Unread {
    /// Makes the pipe at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let told = || format!("a pipe at {}", path.display());
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).with_context(told)?;
        // Opening one end alone would wait for the other.
        let mut ends = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .with_context(told)?;
        let size = fcntl_getpipe_size(&ends).with_context(told)?;
        ends.write_all(&vec![b'\n'; size]).with_context(told)?;
        Ok(Self { _ends: ends })
    }
}
