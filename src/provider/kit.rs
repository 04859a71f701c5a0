//! What a provider's file is written with: `use super::kit::*`.

pub use std::net::IpAddr;
pub use std::time::{Duration, SystemTime};

pub use anyhow::{Context, Result, bail};
pub use serde_json::{Value, json};

pub use super::account::Account;
pub use super::api::Api;
pub use super::attribute::Attribute;
pub use super::auth::{Ask, Auth, Endpoint, Grant};
pub use super::call::Call;
pub use super::catalogue::{self, Access, Entry, Shelf, unanswered};
pub use super::explanation::{Explanation, NO_CAPACITY};
pub use super::form::{Form, is_plain, is_uuid, words, yes_or_no};
pub use super::identity::{Identity, joined};
pub use super::machine::{Machine, MachineId, Power, State, Traffic, by_reach, kib, values};
pub use super::order::{Order, is_same_key};
pub use super::pages::Listing;
pub use super::spec::{Absence, Format, PowerControl, Spec};
pub use super::user_data::{Payload, UserDataForm};
pub use super::{Advance, Filter, Provider};
pub use crate::http::error::{ApiError, Kind};
pub use crate::http::url::percent_encode;
pub use crate::opennebula::host::Host;
pub use crate::opennebula::owner::Owner;
pub use crate::opennebula::user_data;
pub use crate::report::finding::{Finding, Mistake};
pub use crate::report::near::closest;
pub use crate::report::secret::Secret;
pub use crate::report::text::one_line;
pub use crate::wire::time;
pub use crate::wire::tree::Tree;
