//! The forms that others write in: XML, JSON, YAML, and points in time.

pub mod digest;
pub mod time;
pub mod tree;
pub mod xml;
pub mod yaml;
