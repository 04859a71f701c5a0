//! One HTTP request, sent once: the client, its errors, its limits, and the pauses between attempts.

pub mod backoff;
mod body;
pub mod client;
pub mod error;
mod message;
mod proxy;
pub mod rate_limit;
mod resolver;
mod server;
mod tls;
pub mod url;
