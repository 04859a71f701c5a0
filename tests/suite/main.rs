//! The driver as its callers meet it: the real binary through its links, beside the simulator of a provider and of oned.

mod common;

#[path = "../../fuzz/src/lib.rs"]
mod checks;

/// What oneprovision calls, and what it gets.
mod contract {
    mod actions;
    mod fence;
    mod life;
    mod oned;
    mod opennebula_5_8;
    mod order;
    mod poll;
    mod record;
    mod retries;
}

/// What goes wrong on the way, and that nothing is left behind.
mod faults {
    mod killed;
    mod order;
    mod random;
    mod repeats;
    mod requests;
    mod rollback;
    mod streams;
}

/// What others write, and what of it may be seen.
mod input {
    mod corpus;
    mod errors;
    mod hostile;
    mod roundtrip;
    mod secrets;
}

/// What somebody who runs the driver has of it.
mod operator {
    mod check;
    mod completions;
    mod docs;
    mod documents;
    mod install;
    mod links;
    mod list;
    mod psych;
    mod screens;
    mod story;
    mod template;
    mod terminal;
}

/// What each provider is, and that all of them are one to the caller.
mod providers {
    mod conformance;
    mod ec2;
    mod ironic;
    mod ironic_itself;
    mod latitude;
    mod moto;
    mod phoenixnap;
    mod real_ironic;
    mod scaleway;
}

/// On which way a provider is asked, and how often.
mod transport {
    mod gentle;
    mod tls;
}
