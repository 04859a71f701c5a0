//! What the driver asks of the Packet API, judged in every test: each order and each action.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;
use simulator::shape::{ACTION, ORDER};
use simulator::{Operation, Request, Service, Simulator};

/// Asserts that each order and each action that arrived is one that the API takes, and that there were as many orders
/// as `orders`.
pub fn assert_described(simulator: &Simulator, orders: usize) {
    assert_eq!(judge(&simulator.requests()), orders, "orders that arrived");
}

/// The same without the number, and without what was refused: a host's words may be none that the API knows.
pub fn assert_taken(simulator: &Simulator) {
    let mut requests = simulator.requests();
    requests.retain(|request| request.status != Some(422));
    judge(&requests);
}

/// Asserts that each order and each action is one that the API takes. Returns how many orders there were.
///
/// `PM_PACKET_BODIES` names a folder where each is kept, for others to judge.
fn judge(requests: &[Request]) -> usize {
    let folder = std::env::var_os("PM_PACKET_BODIES");
    let mut orders = 0;
    for request in requests {
        if request.service != Service::Api || request.method != "POST" {
            continue;
        }
        let is_order = request.operation == Operation::Create;
        orders += usize::from(is_order);
        let (kind, shape) = if is_order { ("order", ORDER) } else { ("action", ACTION) };
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).expect("a body in JSON");
        let faults = shape.judge_request(&body);
        assert!(faults.is_empty(), "{body:#}\n{}", faults.join("\n"));
        if let Some(folder) = &folder {
            keep(Path::new(folder), kind, &request.body);
        }
    }
    orders
}

/// Writes a body into a file of its own, the same one into the same file.
fn keep(folder: &Path, kind: &str, body: &str) {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let file = folder.join(format!("{kind}-{:016x}.json", hasher.finish()));
    fs::create_dir_all(folder).unwrap();
    fs::write(file, body).unwrap();
}
