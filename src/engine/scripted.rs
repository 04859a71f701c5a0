//! A provider for unit tests: its machines live on the virtual clock, and it does what it is told to, be it wrong.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::tests::device::Device;
use super::tests::fault::{Fault, What};
use super::tests::process::Process;
use super::tests::world::{Manner, World};
use crate::http::error::{ApiError, Kind};
use crate::provider::account::Account;
use crate::provider::api::Api;
use crate::provider::auth::{Auth, Endpoint};
use crate::provider::explanation::Explanation;
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::order::Order;
use crate::provider::spec::Spec;
use crate::provider::{Advance, Filter, Provider};
use crate::system::clock::VirtualClock;
use crate::wire::tree::Tree;

/// How long a request takes that is answered.
const ANSWER: Duration = Duration::from_millis(200);
/// How long a request is allowed, and an order: as for those that are sent.
const ALLOWED: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(60));
/// Requests after which a play has no end.
const REQUESTS: usize = 20_000;

/// The provider.
pub struct Scripted {
    spec: &'static Spec,
    clock: Arc<VirtualClock>,
    world: Mutex<World>,
}

impl Scripted {
    pub fn new(spec: &'static Spec, manner: Manner, clock: Arc<VirtualClock>) -> Self {
        let world = Mutex::new(World::new(manner));
        Self { spec, clock, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the requests of a kind with these numbers, from 0, fail.
    pub fn strike(&self, what: What, which: Range<usize>, fault: Fault) {
        self.world().strikes.push((Some(what), which, fault));
    }

    /// Lets the requests of a kind fail from now on.
    pub fn strike_all(&self, what: What, fault: Fault) {
        self.strike(what, 0..usize::MAX, fault);
    }

    /// Lets every request fail that comes from now on, of whatever kind.
    pub fn strike_any(&self, which: Range<usize>, fault: Fault) {
        self.world().strikes.push((None, which, fault));
    }

    /// When requests of a kind came.
    pub fn asked(&self, what: What) -> Vec<Duration> {
        let world = self.world();
        world.asked.iter().filter(|asked| asked.what == what).map(|asked| asked.at).collect()
    }

    fn error(&self, api: &Api<'_>, kind: Kind, patience: Option<Duration>) -> ApiError {
        let reason = format!("{kind:?} by the script");
        ApiError { retry_after: patience, ..api.problem(kind, reason) }
    }

    /// One request: noted, and answered with what `act` does, unless a fault strikes it.
    fn request<T>(
        &self,
        api: &Api<'_>,
        what: What,
        mut act: impl FnMut(&mut World, Duration) -> Result<T, Kind>,
    ) -> Result<T, ApiError> {
        let process = Process::current();
        process.live();
        let begin = self.clock.passed();
        let fault = self.fault(what, &process, begin);
        let was_stopped = process.interrupt.check().is_err();
        let is_stopped = || !was_stopped && process.interrupt.check().is_err();
        self.clock.pass(self.takes(api, what, fault, begin), || is_stopped() || process.is_killed());
        if process.is_killed() && process.storm.as_ref().is_some_and(|storm| storm.chance(50)) {
            process.live();
        }
        let now = self.clock.passed();
        let mut world = self.world();
        let lost = self.error(api, Kind::Ambiguous, None);
        let done = match fault {
            Some(Fault::Error(kind)) => return Err(self.error(api, kind, None)),
            Some(Fault::Patience(kind, time)) => return Err(self.error(api, kind, Some(time))),
            Some(Fault::Hang) => return Err(lost),
            Some(Fault::Panic) => panic!("a mistake"),
            Some(Fault::KilledBefore) => {
                process.kill();
                process.live();
                return Err(lost);
            }
            Some(Fault::Late(time)) => {
                world.delay = time;
                let _ = act(&mut world, now);
                world.delay = Duration::ZERO;
                return Err(lost);
            }
            _ if world.is_too_often(begin) => return Err(self.error(api, Kind::RateLimited, None)),
            Some(Fault::Twice) => {
                let done = act(&mut world, now);
                let _ = act(&mut world, now);
                done
            }
            Some(Fault::Lost | Fault::KilledAfter) | None => act(&mut world, now),
        };
        if matches!(fault, Some(Fault::KilledAfter)) {
            process.kill();
        }
        process.live();
        // The connection was closed under it.
        if matches!(fault, Some(Fault::Lost)) || is_stopped() {
            return Err(lost);
        }
        if let (What::List, Some(storm), true) = (what, &process.storm, done.is_ok()) {
            storm.note_listing(true);
        }
        done.map_err(|kind| self.error(api, kind, None))
    }

    /// Notes a request, and says what goes wrong with it.
    fn fault(&self, what: What, process: &Process, begin: Duration) -> Option<Fault> {
        let struck = self.world().note(what, begin);
        let fault = struck.or_else(|| process.storm.as_ref()?.fault(what));
        if let (What::List, Some(storm)) = (what, &process.storm) {
            storm.note_listing(false);
        }
        if self.world().is_told {
            let mark = process.mark.as_deref().unwrap_or_default();
            println!("{:9.3} {mark} {what:?} {fault:?}", begin.as_secs_f64());
        }
        assert!(self.world().asked.len() < REQUESTS, "a play that has no end");
        fault
    }

    fn takes(&self, api: &Api<'_>, what: What, fault: Option<Fault>, begin: Duration) -> Duration {
        let allowed = if what == What::Create { ALLOWED.1 } else { ALLOWED.0 };
        let allowed = allowed.min(self.clock.since_begin(api.by()).saturating_sub(begin));
        match fault {
            Some(Fault::Hang) => allowed,
            _ => ANSWER.min(allowed),
        }
    }
}

impl Provider for Scripted {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn connect(&self, _: &Account) -> Result<Endpoint> {
        Ok(Endpoint { base: String::new(), auth: Auth::None })
    }

    fn list(&self, api: &Api<'_>, _: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        self.request(api, What::List, |world, now| Ok(world.listed(self.spec, now)))
    }

    fn prepare(&self, api: &Api<'_>, order: &mut Order) -> Result<(), ApiError> {
        for kind in ["keys", "data"] {
            let name = format!("{kind} of {}", order.mark);
            self.request(api, What::Prepare, |world, _| {
                world.objects.insert(name.clone());
                Ok(())
            })?;
            order.set(kind, json!(name));
        }
        Ok(())
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        self.request(api, What::Create, |world, now| world.create(self.spec, order, now))
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        self.request(api, What::Get, |world, now| {
            if let Some(other) = &world.manner.answers_about {
                return Ok(Machine::new(MachineId::scripted(*other), State::On, "on"));
            }
            let missing = world.manner.missing;
            let device = world.known(id, now).ok_or(missing)?;
            device.shown(self.spec, now).ok_or(missing)
        })
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        self.request(api, What::Power(power), |world, now| {
            let manner = world.manner.clone();
            let device = world.known(id, now).ok_or(manner.missing)?;
            let shows_off = self.spec.power.shows_off;
            device.power_failed = manner.fails_power;
            if device.power_failed.is_some() {
                return Ok(None);
            }
            match (device.state(now), power) {
                (State::On, Power::Off) => {
                    device.lead(now, &[(State::Stopping, manner.off), (State::Off, Duration::ZERO)]);
                }
                (State::On, Power::Reboot) if self.spec.power.shows_reboot => {
                    device.lead(now, &[(State::Stopping, manner.boot), (State::On, Duration::ZERO)]);
                }
                (State::On, Power::Reboot) => {}
                (State::Off, Power::On) if !shows_off => {
                    device.lead(now, &[(State::On, Duration::ZERO)]);
                }
                (State::Off, Power::On) => {
                    device.lead(now, &[(State::Starting, manner.boot), (State::On, Duration::ZERO)]);
                }
                _ if !shows_off => {}
                (State::Starting | State::Stopping, _) => return Err(Kind::Conflict),
                _ => return Err(Kind::Rejected),
            }
            Ok(manner.tells_power.then(|| device.state(now)))
        })
    }

    fn advance(&self, api: &Api<'_>, _: &Order, machine: &Machine) -> Result<Advance, ApiError> {
        let steps = self.world().manner.steps;
        let is_ready = |device: &Device| (device.steps < steps, device.busy <= self.clock.passed());
        let found = self.world().machine(&machine.id).map(|device| is_ready(device));
        match found {
            Some((true, true)) => {}
            Some((true, false)) => return Ok(Advance::Again),
            _ => return Ok(Advance::Done),
        }
        self.request(api, What::Advance, |world, now| {
            let takes = world.manner.provisioning / steps;
            let device = world.machine(&machine.id).ok_or(Kind::NotFound)?;
            if device.steps < steps && device.busy <= now {
                device.steps += 1;
                device.busy = now + takes;
                if device.steps == steps {
                    device.lead(now, &[(State::Starting, takes), (State::On, Duration::ZERO)]);
                }
            }
            Ok(Advance::Again)
        })
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        self.request(api, What::Delete, |world, now| world.delete(id, now))
    }

    fn discard(&self, api: &Api<'_>, mark: &str) -> Result<(), ApiError> {
        for kind in ["keys", "data"] {
            self.request(api, What::Discard, |world, _| {
                world.objects.remove(&format!("{kind} of {mark}"));
                Ok(())
            })?;
        }
        Ok(())
    }

    fn explain(&self, _: &Account, _: u16, _: &Tree) -> Explanation {
        Explanation::default()
    }
}
