//! The forms that others write in: XML, JSON, and points in time.

pub mod digest;
pub mod embedded;
mod json;
pub mod time;
pub mod tree;
pub mod xml;
