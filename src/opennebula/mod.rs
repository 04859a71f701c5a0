//! OpenNebula's side: the host, the deployment file's XML, oned, and what cloud-init gets.

pub mod host;
pub mod oned;
pub mod user_data;
