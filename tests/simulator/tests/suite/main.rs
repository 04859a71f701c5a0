//! The simulator as its users meet it: over HTTP, through its port of oneprovision, and as a program.

mod common;

mod api;
mod faults;
mod ironic;
mod latitude;
mod oneprovision;
mod opennebula;
mod phoenixnap;
mod program;
mod schemas;
mod stub;
mod tls;
mod versions;
