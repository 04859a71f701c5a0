//! Writes that wait for a reader only as long as somebody has patience: a pipe that nobody reads must not outlast a
//! signal or a deadline.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::write;

/// How much a pipe takes without waiting, once it takes anything (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;
/// How often patience is asked for, in milliseconds.
const SLICE: u16 = 50;

/// Writes `bytes`, as long as there is patience for a reader; it is asked with the time that was waited so far. A text
/// of up to 4 KiB is one write.
///
/// # Errors
/// Whatever keeps the reader from getting it; [`io::ErrorKind::TimedOut`] where there is no patience left.
pub fn write_all(output: impl AsFd, bytes: &[u8], mut patience: impl FnMut(Duration) -> bool) -> io::Result<()> {
    let output = output.as_fd();
    let mut left = bytes;
    let mut waited = Duration::ZERO;
    while !left.is_empty() {
        let mut ready = [PollFd::new(output, PollFlags::POLLOUT)];
        // What is closed, or cannot be asked, says so when it is written to.
        if poll(&mut ready, SLICE) == Ok(0) {
            waited += Duration::from_millis(SLICE.into());
            if !patience(waited) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            continue;
        }
        match write(output, &left[..left.len().min(PIECE)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => left = &left[count..],
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_ends_with_patience_and_one_that_is_read_takes_all() {
        let (mut reader, writer) = io::pipe().unwrap();
        let text = vec![b'x'; 200_000];
        let error = write_all(&writer, &text, |waited| waited < Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut read = Vec::new();
                reader.read_to_end(&mut read).map(|_| read.len())
            });
            write_all(&writer, &text, |_| true).unwrap();
            drop(writer);
            assert!(reading.join().unwrap().unwrap() > text.len());
        });
    }

    #[test]
    fn a_pipe_that_is_closed_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write_all(&writer, b"x", |_| true).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
