//! The forms that others write in: XML, and points in time.

pub mod time;
pub mod xml;
