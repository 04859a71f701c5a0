//! One connection, plain or TLS, that can be ended from outside.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A socket with two owners: its thread reads and writes it, the server shuts it down when it stops. (A second
/// descriptor of the same socket would double what hundreds of connections need.)
#[derive(Clone, Debug)]
pub(super) struct Socket(pub(super) Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// What a connection's thread talks through.
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Stream {
    pub(super) fn new(socket: Socket, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        // Small answers are to leave at once, as the real servers' do.
        socket.0.set_nodelay(true)?;
        Ok(match tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(session, socket)))
            }
        })
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => &socket.0,
            Stream::Tls(stream) => &stream.sock.0,
        }
    }

    /// Waits until the client closes the connection, or the server stops.
    pub(super) fn wait_until_closed(&mut self) {
        let mut buffer = [0; 1024];
        let mut socket = Socket(match self {
            Stream::Plain(socket) => Arc::clone(&socket.0),
            Stream::Tls(stream) => Arc::clone(&stream.sock.0),
        });
        while socket.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }

    /// Whether the client closed the connection while it was not read from.
    pub(super) fn is_closed(&self) -> bool {
        let tcp = self.tcp();
        if tcp.set_nonblocking(true).is_err() {
            return true;
        }
        let closed = match tcp.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        tcp.set_nonblocking(false).is_err() || closed
    }

    /// Ends the connection: abruptly (RST), or so that the client reads to an end (FIN).
    pub(super) fn close(mut self, reset: bool) {
        if let (Stream::Tls(stream), false) = (&mut self, reset) {
            // Without it, a client cannot tell an end from an attack, and says so.
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let tcp = self.tcp();
        if reset {
            // Closing a socket that may not linger discards what it holds and resets the connection.
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let _ = setsockopt(tcp, sockopt::Linger, &linger);
        } else {
            let _ = tcp.shutdown(Shutdown::Write);
            // What the client still sends is read, or the kernel would reset the connection after all.
            let _ = tcp.set_read_timeout(Some(Duration::from_millis(200)));
            let mut rest = [0; 1024];
            while (&*tcp).read(&mut rest).is_ok_and(|read| read > 0) {}
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(buffer),
            Stream::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
