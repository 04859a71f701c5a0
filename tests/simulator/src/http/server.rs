//! The listener, its connections, and the ways in which an answer is delivered.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::message::{Inbox, Request, Response};
use super::stream::{Socket, Stream};

/// Enough for JSON of a page of devices in a debug build; hundreds of threads reserve it.
const STACK: usize = 1024 * 1024;
/// How long a stopping server waits for its connections.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks, also after a thread panicked with the lock held: the panic has been reported already.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends sleeps early when the simulator stops.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(crate) fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    fn is_stopped(&self) -> bool {
        *lock(&self.stopped)
    }

    /// Sleeps; false where it was stopped.
    pub(crate) fn sleep(&self, delay: Duration) -> bool {
        let guard = lock(&self.stopped);
        let (stopped, _) =
            self.changed.wait_timeout_while(guard, delay, |stopped| !*stopped).unwrap_or_else(PoisonError::into_inner);
        !*stopped
    }
}

/// An answer, and how it gets to the client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub response: Response,
    pub delivery: Delivery,
}

/// How an answer gets to the client, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// Whole, but later.
    Late(Duration),
    /// Head and half of the body.
    Truncated,
    /// The body byte by byte.
    Trickled(Duration),
    /// The head and a body without end.
    Endless,
    /// Nothing, and the connection stays open.
    Never,
    /// Nothing, and the connection is closed.
    Closed {
        reset: bool,
    },
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Reply { response, delivery: Delivery::Whole }
    }
}

/// What a server does with its connections and requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// What is remembered of a connection from its first request to its last.
    type Connection: Send;

    /// A connection came: goes on with it, or says how it ends.
    fn connect(&self) -> Result<Self::Connection, Delivery>;

    /// Answers a request.
    fn answer(&self, connection: &mut Self::Connection, request: Request) -> Reply;
}

/// A server on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<Stop>,
    open: Arc<Open>,
    acceptor: Option<JoinHandle<()>>,
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Open {
    sockets: Mutex<HashMap<u64, Socket>>,
    closed: Condvar,
}

impl Server {
    pub(crate) fn start<S: Service>(
        port: u16,
        tls: Option<Arc<ServerConfig>>,
        stop: Arc<Stop>,
        service: Arc<S>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let open = Arc::new(Open::default());
        let acceptor = Builder::new().name(format!("accept {}", address.port())).spawn({
            let (stop, open) = (Arc::clone(&stop), Arc::clone(&open));
            move || accept(&listener, tls.as_ref(), &stop, &open, &service)
        })?;
        Ok(Server { address, stop, open, acceptor: Some(acceptor) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop();
        // The acceptor looks at `stop` after each connection: this is one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let sockets = lock(&self.open.sockets);
        for socket in sockets.values() {
            let _ = socket.0.shutdown(Shutdown::Both);
        }
        // Threads end with their sockets; one that does not must not hold up a test, and holds nothing but memory.
        drop(self.open.closed.wait_timeout_while(sockets, PATIENCE, |sockets| !sockets.is_empty()));
    }
}

fn accept<S: Service>(
    listener: &TcpListener,
    tls: Option<&Arc<ServerConfig>>,
    stop: &Arc<Stop>,
    open: &Arc<Open>,
    service: &Arc<S>,
) {
    for number in 0.. {
        let accepted = listener.accept();
        if stop.is_stopped() {
            return;
        }
        let Ok((tcp, _)) = accepted else {
            // Out of descriptors, most likely: others must close first.
            stop.sleep(Duration::from_millis(10));
            continue;
        };
        let socket = Socket(Arc::new(tcp));
        lock(&open.sockets).insert(number, socket.clone());
        let thread = Builder::new().name(format!("connection {number}")).stack_size(STACK);
        let spawned = thread.spawn({
            let (tls, stop, open) = (tls.cloned(), Arc::clone(stop), Arc::clone(open));
            let service = Arc::clone(service);
            move || {
                let _closed = Closed { number, open };
                if let Ok(stream) = Stream::new(socket, tls.as_ref()) {
                    // A client that went away in the middle is no error of ours.
                    let _ = converse(stream, &stop, &*service);
                }
            }
        });
        if spawned.is_err() {
            lock(&open.sockets).remove(&number);
        }
    }
}

/// Takes a connection off the books at the end of its thread, however that comes.
struct Closed {
    number: u64,
    open: Arc<Open>,
}

impl Drop for Closed {
    fn drop(&mut self) {
        lock(&self.open.sockets).remove(&self.number);
        self.open.closed.notify_all();
    }
}

fn converse<S: Service>(mut stream: Stream, stop: &Stop, service: &S) -> io::Result<()> {
    let mut connection = match service.connect() {
        Ok(connection) => connection,
        Err(Delivery::Closed { reset }) => {
            stream.close(reset);
            return Ok(());
        }
        Err(_) => {
            stream.wait_until_closed();
            return Ok(());
        }
    };
    let mut inbox = Inbox::default();
    while let Some(request) = inbox.read(&mut stream)? {
        let keep_alive = request.keep_alive();
        let Reply { response, delivery } = service.answer(&mut connection, request);
        match delivery {
            Delivery::Whole => send(&mut stream, &response, keep_alive)?,
            Delivery::Late(delay) => {
                if !linger(&stream, stop, delay) {
                    return Ok(());
                }
                send(&mut stream, &response, keep_alive)?;
            }
            Delivery::Truncated => {
                let bytes = response.bytes();
                stream.write_all(&bytes[..bytes.len() - response.body.len().div_ceil(2)])?;
                stream.flush()?;
                stream.close(false);
                return Ok(());
            }
            Delivery::Trickled(pause) => {
                stream.write_all(&response.head(&format!("Content-Length: {}", response.body.len())))?;
                for byte in &response.body {
                    stream.flush()?;
                    if !stop.sleep(pause) {
                        return Ok(());
                    }
                    stream.write_all(&[*byte])?;
                }
                stream.flush()?;
            }
            Delivery::Endless => {
                stream.write_all(&response.head("Connection: close"))?;
                // Ends when the client, or the stopping server, closes the connection.
                loop {
                    stream.write_all(&[b' '; 4096])?;
                }
            }
            Delivery::Never => {
                stream.wait_until_closed();
                return Ok(());
            }
            Delivery::Closed { reset } => {
                stream.close(reset);
                return Ok(());
            }
        }
        if !keep_alive {
            stream.close(false);
            return Ok(());
        }
    }
    Ok(())
}

fn send(stream: &mut Stream, response: &Response, keep_alive: bool) -> io::Result<()> {
    if keep_alive {
        stream.write_all(&response.bytes())?;
    } else {
        stream.write_all(&response.clone().header("Connection", "close").bytes())?;
    }
    stream.flush()
}

/// Waits while the client does; false where it went away.
fn linger(stream: &Stream, stop: &Stop, delay: Duration) -> bool {
    const LOOK: Duration = Duration::from_millis(50);
    let until = Instant::now() + delay;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if !stop.sleep(left.min(LOOK)) || stream.is_closed() {
            return false;
        }
        if left <= LOOK {
            return true;
        }
    }
}
