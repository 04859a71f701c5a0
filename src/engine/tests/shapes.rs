//! What providers can be like, each as a specification and a manner.

use super::*;
use crate::http::error::Kind;

/// Every shape, with its name; each new machine takes a minute where that makes no difference.
pub fn all() -> Vec<(&'static str, Spec, Manner)> {
    let quick = Manner { provisioning: seconds(60), ..Manner::default() };
    let pairs = Identity::Pairs { field: "tags", members: ("name", "value"), alphabet: Some("_-") };
    let lag = Manner { hidden_by_id: seconds(8), hidden_in_lists: seconds(8), ..quick.clone() };
    let refusing = Manner { refuses_deletion: Some(Kind::Conflict), ..quick.clone() };
    vec![
        ("plain", plain(), quick.clone()),
        ("pairs", Spec { identity: pairs, ..plain() }, quick.clone()),
        ("name", Spec { identity: Identity::Name { field: "name", tags: None }, ..plain() }, quick.clone()),
        ("name and words", named(), quick.clone()),
        (
            "left off",
            Spec { has_idempotency_key: true, frees_key: true, ..named() },
            Manner { is_left_off: true, ..quick.clone() },
        ),
        ("listing", by_listing(), quick.clone()),
        ("denied", by_listing(), Manner { missing: Kind::PermissionDenied, ..quick.clone() }),
        ("tombstones", plain(), Manner { tombstone: seconds(3600), ..quick.clone() }),
        ("key", Spec { has_idempotency_key: true, ..plain() }, quick.clone()),
        ("objects", objects(), quick.clone()),
        ("steps", plain(), Manner { steps: 3, ..quick.clone() }),
        ("objects and steps", objects(), Manner { steps: 3, ..lag.clone() }),
        ("lag", plain(), lag),
        ("installing", plain(), Manner { installing: seconds(60), ..quick.clone() }),
        ("no power", Spec { power: NO_POWER, ..plain() }, quick.clone()),
        ("off hidden", Spec { power: BLIND, ..plain() }, quick.clone()),
        ("place", plain(), Manner { place: "ams-1/", ..quick.clone() }),
        ("refusing", plain(), refusing),
        ("limited", plain(), Manner { limit: Some((10, seconds(10))), ..quick }),
    ]
}

/// Nothing can be done about power.
pub const NO_POWER: PowerControl = PowerControl { takes: &[], shows_off: false, shows_reboot: false };
/// All can be done, and nothing is shown.
pub const BLIND: PowerControl = PowerControl { shows_off: false, shows_reboot: false, ..PowerControl::FULL };

/// A provider with a name and, as that may be anybody's, words beside it.
pub fn named() -> Spec {
    Spec { identity: Identity::Name { field: "name", tags: Some("extra") }, ..plain() }
}

/// A provider whose not-found proves nothing.
pub fn by_listing() -> Spec {
    Spec { absence: Absence::Listing, ..plain() }
}

/// A provider whose orders need objects.
pub fn objects() -> Spec {
    Spec { has_objects: true, ..plain() }
}
