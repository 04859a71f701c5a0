//! The forms that others write in: XML, JSON, YAML, and points in time.

pub mod digest;
pub mod embedded;
mod json;
pub mod time;
pub mod tree;
pub mod xml;
pub mod yaml;
