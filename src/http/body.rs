//! The body of an answer, read while it comes.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// How much of it is kept for whoever reads it in pieces.
const BUFFER: usize = 4 * 1024;

/// What reads the body of an answer.
pub type Reading<'a> = dyn FnMut(&mut dyn BufRead) -> io::Result<()> + 'a;

/// Lets `reading` have `body`, and drops what it leaves. That `reading` fails is no error.
///
/// # Errors
/// The body did not come whole.
pub(super) fn read(body: impl Read, reading: &mut Reading<'_>) -> Result<(), ureq::Error> {
    let mut body = BufReader::with_capacity(BUFFER, Coming { body, error: None });
    if reading(&mut body).is_ok() {
        // A connection serves again when the whole of its answer was read.
        let _ = io::copy(&mut body, &mut io::sink());
    }
    body.into_inner().error.map_or(Ok(()), Err)
}

/// A body that comes, and what kept it from coming whole.
struct Coming<R> {
    body: R,
    error: Option<ureq::Error>,
}

impl<R: Read> Read for Coming<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != ErrorKind::Interrupted {
                self.error = Some(error.into());
            }
            kind.into()
        })
    }
}
