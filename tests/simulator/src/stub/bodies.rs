//! What the driver asked for, kept for others to judge.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::{env, fs, io};

use serde_json::Value;

use crate::fault::Operation;
use crate::http::{Request, Response};

/// The driver's User-Agent: what tests of the stub itself send may be wrong.
const DRIVER: &str = "pm-packet/";

/// Keeps the body of an order, a power action, a deletion or what is no server's business (`api`) that the driver sent
/// and the provider took, if it is JSON: into `PM_PACKET_BODIES/PROVIDER/OPERATION-….json`, the same one into the same
/// file.
pub(super) fn keep(provider: &str, operation: Operation, request: &Request, response: &Response) -> io::Result<()> {
    use Operation::{Action, Api, Create, Delete, PowerOff, PowerOn, Reboot};
    let Some(folder) = env::var_os("PM_PACKET_BODIES") else {
        return Ok(());
    };
    let is_meant = matches!(operation, Create | Action | PowerOff | PowerOn | Reboot | Delete | Api);
    let is_driver = request
        .headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("User-Agent") && value.starts_with(DRIVER));
    let is_json = serde_json::from_slice::<Value>(&request.body).is_ok();
    if !(is_meant && is_driver && is_json && response.status < 400) {
        return Ok(());
    }
    let name = serde_json::to_value(operation)?;
    let mut hasher = DefaultHasher::new();
    request.body.hash(&mut hasher);
    let folder = Path::new(&folder).join(provider);
    fs::create_dir_all(&folder)?;
    let file = format!("{}-{:016x}.json", name.as_str().unwrap_or_default(), hasher.finish());
    fs::write(folder.join(file), &request.body)
}
