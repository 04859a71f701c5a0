//! `GET /devices/{id}/bandwidth`.

use serde_json::{Value, json};

use crate::device::State;
use crate::http::Target;

/// Seconds between two data points.
const STEP: usize = 300;
/// The most data points of one answer.
const MOST: usize = 288;
/// Data points of a machine that is on: their sums, 20 in and 150 out, make `NETRX=2560 NETTX=19200` of a poll.
const INBOUND: [Option<f64>; 4] = [Some(12.5), None, Some(7.5), None];
const OUTBOUND: [Option<f64>; 4] = [None, Some(100.0), Some(50.0), None];

/// From when to when, in Unix seconds. Both are required.
pub(super) fn period(target: &Target) -> Result<(u64, u64), Vec<String>> {
    let read = |key: &str| match target.get(key) {
        None | Some("") => Err(format!("{key} is missing")),
        Some(text) => text.parse().map_err(|_| format!("{key} is not a timestamp")),
    };
    match (read("from"), read("until")) {
        (Ok(from), Ok(until)) if from > until => Err(vec!["from is later than until".to_owned()]),
        (Ok(from), Ok(until)) => Ok((from, until)),
        (from, until) => Err([from, until].into_iter().filter_map(Result::err).collect()),
    }
}

pub(super) fn bandwidth(state: &State, from: u64, until: u64) -> Value {
    // A machine that is off has points, but no values.
    let on = *state == State::Active;
    let points = |values: [Option<f64>; 4]| -> Vec<Value> {
        (from..=until)
            .step_by(STEP)
            .zip(values.into_iter().chain(std::iter::repeat(None)))
            .take(MOST)
            .map(|(time, value)| json!([value.filter(|_| on), time]))
            .collect()
    };
    json!({"bandwidth": [
        {"target": "inbound", "datapoints": points(INBOUND), "tags": {"aggregatedBy": "average", "name": "inbound"}},
        {"target": "outbound", "datapoints": points(OUTBOUND), "tags": {"aggregatedBy": "average", "name": "outbound"}},
    ]})
}
