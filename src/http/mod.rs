//! One HTTP request, sent once: the client, its errors, its limits, and the pauses between attempts.

pub mod backoff;
pub mod client;
pub mod proxy;
