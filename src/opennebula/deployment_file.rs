//! The deployment file: what oneprovision writes of a host before it calls `deploy`, or sends on STDIN.

use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::opennebula::host::Host;
use crate::report::frame::Report;
use crate::system::file;
use crate::system::interrupt::Interrupt;
use crate::wire::xml;

/// The largest deployment file, or template, that is read; the largest seen had 20 KB.
pub(super) const LIMIT: u64 = 4 << 20;
/// How long STDIN may stay silent where the file is there already, and how long where it is not.
const SILENCE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// The host of the deployment file; what STDIN holds is written there first.
///
/// # Errors
/// There is no such file and nothing on STDIN, one of them is not the XML of a host, the file cannot be written,
/// or a signal came.
pub fn receive(path: &Path, interrupt: &Interrupt, report: &Report) -> Result<Host> {
    let Some(bytes) = read_stdin(path, interrupt, report)? else {
        let (host, warnings) = read(path)?;
        warn(&named(path), &warnings, report);
        return Ok(host);
    };
    let (host, warnings) = parse("STDIN", &bytes)?;
    warn("STDIN", &warnings, report);
    file::replace(path, &bytes).map_err(|error| {
        anyhow!(
            "the deployment file {:?} cannot be written ({}): see its folder",
            path.display().to_string(),
            file::reason(&error)
        )
    })?;
    Ok(host)
}

/// The host of a deployment file that is there, and what is wrong with its form.
///
/// # Errors
/// It cannot be read, or is not the XML of a host.
pub fn read(path: &Path) -> Result<(Host, Vec<String>)> {
    parse(&named(path), &read_bytes(path)?)
}

/// What a deployment file that is there holds.
///
/// # Errors
/// It cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let read = file::read(path, LIMIT).map_err(|error| {
        anyhow!(
            "the deployment file {:?} cannot be read ({}): give the path of one, or its XML on STDIN",
            path.display().to_string(),
            file::reason(&error)
        )
    });
    Ok(read?.0)
}

fn named(path: &Path) -> String {
    format!("the deployment file {}", path.display())
}

fn warn(source: &str, warnings: &[String], report: &Report) {
    for warning in warnings {
        report.warn(format_args!("{source}: {warning}"));
    }
}

/// The host whose XML `bytes` are, which `source` names, and what is wrong with its form.
///
/// # Errors
/// They are not the XML of a host.
pub fn parse(source: &str, bytes: &[u8]) -> Result<(Host, Vec<String>)> {
    xml::decode(bytes)
        .and_then(Host::parse)
        .map_err(|error| anyhow!("{source} is not the XML of a host: {error}: see `onehost show -x`"))
}

/// What is heard of STDIN while it is read.
enum News {
    Begun,
    Done(io::Result<Vec<u8>>),
    Interrupted,
}

/// Reads STDIN in a thread of its own: a read cannot be called off.
fn listen(interrupt: &Interrupt) -> Result<Receiver<News>> {
    let (tell, news) = mpsc::channel();
    let interrupted = tell.clone();
    interrupt.on_first(Box::new(move || {
        let _ = interrupted.send(News::Interrupted);
    }));
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut first = [0];
            let result = match stdin.read(&mut first) {
                Ok(0) => Ok(Vec::new()),
                Ok(_) => {
                    let _ = tell.send(News::Begun);
                    file::read_bounded((&first[..]).chain(stdin), LIMIT)
                }
                Err(error) => Err(error),
            };
            let _ = tell.send(News::Done(result));
        })
        .context("cannot start the thread that reads STDIN")?;
    Ok(news)
}

/// All that STDIN holds, where nothing else can be read.
///
/// # Errors
/// It is a terminal, cannot be read, or holds nothing or too much.
pub fn read_stdin_alone() -> Result<Vec<u8>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        bail!("STDIN is a terminal: give the path of a file, or send one with < FILE or through a pipe");
    }
    match file::read_bounded(stdin.lock(), LIMIT) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => {
            bail!("STDIN brings nothing: send the XML of a host, or a provision template")
        }
        Ok(bytes) => Ok(bytes),
        Err(error) => bail!("STDIN cannot be read: {error}: send the XML of a host, or a provision template"),
    }
}

/// What STDIN holds, unless that is nothing.
///
/// A STDIN that never closes does not hold up a deploy whose file is there already.
fn read_stdin(path: &Path, interrupt: &Interrupt, report: &Report) -> Result<Option<Vec<u8>>> {
    let is_there = path.exists();
    if io::stdin().is_terminal() {
        // Nobody types a deployment file.
        return match is_there {
            true => Ok(None),
            false => bail!(
                "there is no deployment file {}, and STDIN is a terminal: give the path of one, or its XML on STDIN",
                path.display()
            ),
        };
    }
    let news = listen(interrupt)?;
    let mut patience = if is_there { SILENCE } else { PATIENCE };
    loop {
        interrupt.check().map_err(|signal| anyhow!("interrupted ({signal}) while STDIN was read: nothing was done"))?;
        match news.recv_timeout(patience) {
            Ok(News::Begun) => patience = PATIENCE,
            Ok(News::Interrupted) => {}
            Ok(News::Done(Ok(bytes))) if bytes.iter().all(u8::is_ascii_whitespace) => {
                return Ok(None);
            }
            Ok(News::Done(Ok(bytes))) => return Ok(Some(bytes)),
            // Closed, or a terminal that we may not read: there is nothing on it.
            Ok(News::Done(Err(error))) if is_there && error.kind() != io::ErrorKind::InvalidData => {
                return Ok(None);
            }
            Ok(News::Done(Err(error))) => {
                bail!("STDIN cannot be read: {}: send the XML of a host, or nothing", file::reason(&error))
            }
            Err(RecvTimeoutError::Timeout) if is_there && patience == SILENCE => {
                report.warn(format_args!("STDIN stays open and silent: reading {} instead", path.display()));
                return Ok(None);
            }
            Err(_) => bail!(
                "there is no deployment file {} and STDIN brings none: write the one or the other",
                path.display()
            ),
        }
    }
}
