//! HTTP/1.1 over blocking sockets, a thread a connection: enough of it to be a server, and to be a bad one.

mod message;
mod server;
mod stream;
mod target;

pub(crate) use message::{JSON, Request, Response, reason};
pub(crate) use server::{Delivery, Reply, Server, Service, Stop, lock};
pub(crate) use target::Target;
