//! Idempotency keys of the scripted provider: what an order comes to whose key was used before.

use std::time::Duration;

use super::device::Device;
use super::world::World;
use crate::http::error::Kind;
use crate::provider::machine::{Machine, State};
use crate::provider::spec::Spec;

impl World {
    /// What an order with this key comes to, where it does not bring a machine of its own.
    pub fn by_key(&mut self, spec: &Spec, key: &str, is_late: bool, now: Duration) -> Option<Result<Machine, Kind>> {
        self.settle(now);
        if !spec.has_idempotency_key || (spec.frees_key && is_late) {
            return None;
        }
        if spec.frees_key {
            let is_living = |device: &&mut Device| device.key == key && device.ordered <= now && device.lives(now);
            let shown = self.machines.iter_mut().find(is_living)?.shown(spec, now);
            return Some(match shown.ok_or(Kind::Conflict) {
                Ok(machine) if machine.state == State::Deleting => Err(Kind::Conflict),
                shown => shown.map(|machine| Machine { is_of_earlier_order: true, ..machine }),
            });
        }
        let shows_spent = self.manner.shows_spent;
        let device = self.machines.iter_mut().find(|device| device.key == key)?;
        // It comes before the late one with the same key.
        device.advance_to(now);
        Some(match device.state(now) {
            State::Gone | State::Deleting if !shows_spent => Err(Kind::KeySpent),
            State::Gone => Ok(Machine::new(device.id.clone(), State::Gone, "gone")),
            _ => device.shown(spec, now).ok_or(Kind::KeySpent),
        })
    }

    /// Lets late orders come to nothing whose key another machine has when they take effect.
    pub fn settle(&mut self, now: Duration) {
        for at in 0..self.machines.len() {
            if !self.machines[at].is_late || self.machines[at].ordered > now {
                continue;
            }
            let is_taken = self.comes_to_nothing(&self.machines[at]);
            let device = &mut self.machines[at];
            device.is_late = false;
            if is_taken {
                device.tombstone = Duration::ZERO;
                device.life = vec![(device.ordered, State::Gone, "never was")];
            }
        }
    }

    /// Whether a late order finds its key taken.
    fn comes_to_nothing(&self, late: &Device) -> bool {
        let mut others = self.machines.iter().filter(|device| !device.is_late && device.key == late.key);
        late.is_late && others.any(|device| device.ordered <= late.ordered && device.lives(late.ordered))
    }

    /// The machines that last if nothing more is done.
    pub fn lasting(&self) -> impl Iterator<Item = &Device> {
        self.machines.iter().filter(|device| device.lasts() && !self.comes_to_nothing(device))
    }
}
