//! OpenNebula's side: the host and its file, the provision template, its settings, the owner that it is, oned, and what cloud-init gets.

mod cipher;
pub mod deployment_file;
mod error;
pub mod host;
pub mod oned;
pub mod owner;
pub mod record;
mod rpc;
pub mod session;
pub mod settings;
pub mod template;
pub mod user_data;
pub mod xmlrpc;
