//! The published description of the API, by which every request of the driver is judged.

use serde_json::Value;
use simulator::description::Description;
use simulator::{Operation, Service, Simulator};

/// Asserts that each order and each action that arrived is one that the API describes, and that there were as many
/// orders as `orders`.
pub fn assert_described(simulator: &Simulator, orders: usize) {
    let mut seen = 0;
    for request in simulator.requests() {
        if request.service != Service::Api || request.method != "POST" {
            continue;
        }
        let is_order = request.operation == Operation::Create;
        seen += usize::from(is_order);
        let path = if is_order {
            "/projects/{id}/devices"
        } else {
            "/devices/{id}/actions"
        };
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).expect("a body in JSON");
        let faults = Description::published().judge_request(path, &body);
        assert!(faults.is_empty(), "{body:#}\n{}", faults.join("\n"));
    }
    assert_eq!(seen, orders, "orders that arrived");
}
