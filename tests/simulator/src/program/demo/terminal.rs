//! A terminal as wide as the demo, for a command that writes differently to one.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::screen::WIDTH;

/// A terminal that is open.
pub(super) struct Terminal {
    ours: OwnedFd,
    theirs: OwnedFd,
}

/// What appears on a terminal.
pub(super) struct Watch(JoinHandle<String>);

impl Terminal {
    pub(super) fn open() -> Result<Self> {
        let size = Winsize { ws_row: 24, ws_col: u16::try_from(WIDTH)?, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).context("cannot open a terminal")?;
        // What is written comes as it was written: no line feed becomes two characters.
        let mut attributes = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut attributes);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &attributes)?;
        Ok(Terminal { ours: pair.master, theirs: pair.slave })
    }

    /// The command's end of it.
    pub(super) fn stdio(&self) -> Result<Stdio> {
        Ok(self.theirs.try_clone()?.into())
    }

    /// Reads what appears until no command has it open any more; `show` is given each piece as it comes.
    pub(super) fn watch(self, show: impl Fn(&[u8]) + Send + 'static) -> Watch {
        drop(self.theirs);
        let mut ours = File::from(self.ours);
        Watch(std::thread::spawn(move || {
            let mut seen = Vec::new();
            let mut piece = [0; 4096];
            // A terminal that nobody has open any more is an error (EIO), not an end.
            while let Ok(length @ 1..) = ours.read(&mut piece) {
                show(&piece[..length]);
                seen.extend_from_slice(&piece[..length]);
            }
            String::from_utf8_lossy(&seen).into_owned()
        }))
    }
}

impl Watch {
    /// All that appeared, once the command has ended.
    pub(super) fn end(self) -> String {
        self.0.join().unwrap_or_default()
    }
}

/// What a child printed into pipes, and how it ended.
pub(super) fn finish(child: Child) -> Result<(std::process::ExitStatus, String, String)> {
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status, text(&output.stdout), text(&output.stderr)))
}

/// `text` without the terminal's control sequences (ECMA-48: `ESC [`, parameters, a final byte from `@` to `~`).
pub(super) fn plain(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let after = piece.find(|c| ('@'..='~').contains(&c)).map_or("", |end| &piece[end + 1..]);
        plain.push_str(after);
    }
    plain
}

/// The states of a line that renewed itself, each once, oldest first: what began with a carriage return, and did not
/// end with a line feed.
pub(super) fn renewed(seen: &str) -> Vec<String> {
    let states = seen.split('\r').skip(1).map(plain).filter(|state| !state.is_empty() && !state.contains('\n'));
    let mut states: Vec<String> = states.collect();
    states.dedup();
    states
}

/// The lines that stayed.
pub(super) fn stayed(seen: &str) -> String {
    let lines = seen.split('\n').map(|line| plain(line.rsplit('\r').next().unwrap_or_default()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_a_line_are_told_from_what_stays() {
        let seen = "WARNING: x\n\r\x1b[K\x1b[?7l0:00 of 0:20 | queued\x1b[?7h\r\x1b[K\x1b[?7l0:01\x1b[?7h\r\x1b[K\
                    note\n\r\x1b[K\x1b[?7l0:01\x1b[?7h\r\x1b[K";
        assert_eq!(renewed(seen), ["0:00 of 0:20 | queued", "0:01"]);
        assert_eq!(stayed(seen), "WARNING: x\nnote\n");
        assert_eq!(renewed("WARNING: x\n"), [""; 0]);
    }

    #[test]
    fn control_sequences_are_taken_out() {
        assert_eq!(plain("a \x1b[1;32mb\x1b[0m c\x1b[K"), "a b c");
        assert_eq!(plain("cut \x1b[3"), "cut ");
    }

    #[test]
    fn what_a_command_writes_to_a_terminal_is_seen() {
        let terminal = Terminal::open().expect("a terminal");
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "test -t 2 && stty size <&2 >&2"]).stderr(terminal.stdio().expect("its end"));
        let child = command.spawn().expect("a shell");
        drop(command);
        let seen = terminal.watch(|_| ());
        assert!(finish(child).expect("its end").0.success());
        assert_eq!(seen.end(), format!("24 {WIDTH}\n"));
    }
}
