//! What people and oneprovision read: the answer, the error frame, the progress line, findings and tables.

mod escape;
pub mod finding;
pub mod frame;
pub mod near;
pub mod progress;
mod redact;
pub mod screen;
pub mod secret;
pub mod table;
pub mod text;
