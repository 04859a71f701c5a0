//! Paths and what they mean.

use serde_json::Value;

use crate::fault::Operation;

/// A request by its method and path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route<'a> {
    Create {
        project: &'a str,
    },
    List {
        project: &'a str,
    },
    Get {
        device: &'a str,
    },
    Delete {
        device: &'a str,
    },
    Act {
        device: &'a str,
    },
    Bandwidth {
        device: &'a str,
    },
    Events {
        device: &'a str,
    },
    /// What is the same for everyone.
    Catalogue(&'a [&'a str]),
    /// A project itself, or what it can use.
    ProjectCatalogue {
        project: &'a str,
        what: Option<&'a str>,
    },
    Unknown,
}

/// The prefix that the newer base URL has, and the path's words after it.
pub(super) fn split(path: &str) -> (&'static str, Vec<&str>) {
    const PREFIX: &str = "/metal/v1";
    let (prefix, rest) = match path.strip_prefix(PREFIX) {
        Some(rest) if rest.starts_with('/') => (PREFIX, rest),
        _ => ("", path),
    };
    // An empty word is a mistake in a URL that is put together of parts: it is kept, and matches nothing.
    (prefix, rest.strip_prefix('/').unwrap_or(rest).split('/').collect())
}

impl<'a> Route<'a> {
    pub(super) fn of(method: &str, words: &'a [&'a str]) -> Self {
        match (method, words) {
            ("POST", ["projects", project, "devices"]) => Route::Create { project },
            ("GET", ["projects", project, "devices"]) => Route::List { project },
            ("GET", ["devices", device]) => Route::Get { device },
            ("DELETE", ["devices", device]) => Route::Delete { device },
            ("POST", ["devices", device, "actions"]) => Route::Act { device },
            ("GET", ["devices", device, "bandwidth"]) => Route::Bandwidth { device },
            ("GET", ["devices", device, "events"]) => Route::Events { device },
            ("GET", ["projects", project]) => Route::ProjectCatalogue { project, what: None },
            ("GET", ["projects", project, what @ ("plans" | "facilities" | "ssh-keys" | "hardware-reservations")]) => {
                Route::ProjectCatalogue { project, what: Some(what) }
            }
            ("GET", ["plans" | "operating-systems" | "facilities" | "user" | "ssh-keys" | "projects"])
            | ("GET", ["locations", "metros"] | ["capacity"] | ["capacity", "metros"]) => Route::Catalogue(words),
            _ => Route::Unknown,
        }
    }

    pub(super) fn operation(&self, body: &[u8]) -> Operation {
        match self {
            Route::Create { .. } => Operation::Create,
            Route::List { .. } => Operation::List,
            Route::Get { .. } => Operation::Get,
            Route::Delete { .. } => Operation::Delete,
            Route::Act { .. } => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                match body["type"].as_str() {
                    Some("power_on") => Operation::PowerOn,
                    Some("power_off") => Operation::PowerOff,
                    Some("reboot") => Operation::Reboot,
                    _ => Operation::Action,
                }
            }
            Route::Bandwidth { .. } => Operation::Bandwidth,
            Route::Events { .. } => Operation::Events,
            Route::Catalogue(_) | Route::ProjectCatalogue { .. } => Operation::Catalogue,
            Route::Unknown => Operation::Api,
        }
    }

    pub(super) fn device(&self) -> Option<&'a str> {
        match self {
            Route::Get { device }
            | Route::Delete { device }
            | Route::Act { device }
            | Route::Bandwidth { device }
            | Route::Events { device } => Some(device),
            _ => None,
        }
    }

    pub(super) fn project(&self) -> Option<&'a str> {
        match self {
            Route::Create { project } | Route::List { project } | Route::ProjectCatalogue { project, .. } => {
                Some(project)
            }
            _ => None,
        }
    }
}
