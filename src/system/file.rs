//! Files that carry a token: read with bounds, written whole or not at all, never through a symbolic link.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;

/// Reads a file of at most `limit` bytes, and when it was last changed.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<(Vec<u8>, SystemTime)> {
    // Without O_NONBLOCK the opening of a pipe would wait for a writer that never comes.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let bytes = read_bounded(file, limit)?;
    Ok((bytes, meta.modified()?))
}

/// Reads all of `source`, at most `limit` bytes.
///
/// # Errors
/// It cannot be read, or holds more.
pub fn read_bounded(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Why something failed, in the words of the system alone: the standard library adds the number of the error to them.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Writes `bytes` as the file `path`, readable by its owner alone.
///
/// They go into a new file in the same folder, which then takes the name: a reader sees the old file or the
/// new one, a failure leaves the old one, and a symbolic link of that name is replaced, not followed.
///
/// # Errors
/// The folder cannot be written, or the disk is full.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o600)
}

/// The same, readable as `mode` says.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it has no file name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}", RandomState::new().hash_one(0)));
    let temporary = path.with_file_name(temporary);
    let written = write_new(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
