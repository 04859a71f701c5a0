//! The phases of a deploy, so that a signal can come in each.

use std::process::Child;

use simulator::oneprovision::Host;
use simulator::{Effect, Fault, Operation};

use super::Bench;

/// What a deploy is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    AskingOned,
    LookUp,
    LookUpBusy,
    Order,
    OrderCarriedOut,
    LostOrder,
    Wait,
    WaitHanging,
}

/// All of them.
pub const PHASES: [Phase; 8] = [
    Phase::AskingOned,
    Phase::LookUp,
    Phase::LookUpBusy,
    Phase::Order,
    Phase::OrderCarriedOut,
    Phase::LostOrder,
    Phase::Wait,
    Phase::WaitHanging,
];

/// Starts a deploy and waits until it is in this phase, in which it stays.
pub fn deploy_until(bench: &Bench, host: &Host<'_>, phase: Phase) -> Child {
    let (on, effect) = match phase {
        Phase::AskingOned => (Operation::HostInfo, Some(Effect::Hang)),
        Phase::LookUp => (Operation::List, Some(Effect::Hang)),
        Phase::LookUpBusy => (Operation::List, Some(Effect::status(429))),
        Phase::Order => (Operation::Create, Some(Effect::Hang)),
        Phase::OrderCarriedOut => (Operation::Create, Some(Effect::HangAfter)),
        Phase::LostOrder => (Operation::Create, Some(Effect::DropAfter { reset: true })),
        Phase::Wait => (Operation::Get, None),
        Phase::WaitHanging => (Operation::Get, Some(Effect::Hang)),
    };
    if let Some(effect) = effect {
        // A pause after one refusal is over soon.
        let times = if phase == Phase::LookUpBusy { 4 } else { 1 };
        bench.simulator.fault(Fault::new(on, effect).times(times));
    }
    let deploy = bench.start_deploy(host);
    bench.until_asked(on, 1);
    if phase == Phase::LostOrder {
        bench.until_asked(Operation::List, 2);
    }
    deploy
}
