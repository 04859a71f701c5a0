//! Faults that are drawn for each request, from a seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fault::{Fault, What};
use crate::http::error::Kind;

/// What goes wrong with the requests of a process, and with the machines that it orders.
#[derive(Clone)]
pub struct Storm {
    random: Arc<Mutex<fastrand::Rng>>,
    /// Whether a not-found can be a lie: elsewhere it is a proof.
    lies: bool,
    /// Whether something in between may repeat an order: its one look shows a copy only where no listing lags.
    copies: bool,
    /// Whether the last listing failed.
    is_blind: Arc<AtomicBool>,
}

/// What becomes of a machine that nobody asked for.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Fails,
    /// The provider takes it back.
    IsTaken,
}

const PASSING: [Kind; 4] = [Kind::NotSent, Kind::Ambiguous, Kind::RateLimited, Kind::Conflict];
const LASTING: [Kind; 4] = [Kind::Rejected, Kind::Unauthenticated, Kind::Redirected, Kind::PermissionDenied];

impl Storm {
    pub fn new(seed: u64, lies: bool, copies: bool) -> Self {
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self { random, lies, copies, is_blind: Arc::default() }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn chance(&self, percent: u8) -> bool {
        self.draw(|random| random.u8(0..100) < percent)
    }

    /// What goes wrong with the next request, if anything.
    pub fn fault(&self, what: What) -> Option<Fault> {
        let odds = if what == What::Create { 30 } else { 6 };
        if !self.chance(odds) {
            return None;
        }
        Some(self.draw(|random| {
            let passing = PASSING[random.usize(..PASSING.len())];
            let lasting = LASTING[random.usize(..LASTING.len())];
            match (random.u8(0..100), what) {
                (0..10, _) => Fault::Error(lasting),
                (10..20, _) => Fault::Patience(passing, Duration::from_secs(random.u64(0..300))),
                (20..35, _) => Fault::Lost,
                (35..45, _) => Fault::Hang,
                (45..60, What::Create) => Fault::Late(Duration::from_secs(random.u64(0..55))),
                (60..75, What::Create) if self.copies => Fault::Twice,
                (45..60, What::Get) if self.lies => Fault::Error(Kind::NotFound),
                _ => Fault::Error(passing),
            }
        }))
    }

    /// What becomes of a machine, and when after its order.
    pub fn fate(&self) -> Option<(Fate, Duration)> {
        self.draw(|random| {
            let after = Duration::from_secs(random.u64(0..200));
            match random.u8(0..100) {
                0..10 => Some((Fate::Fails, after)),
                10..15 => Some((Fate::IsTaken, after)),
                _ => None,
            }
        })
    }

    /// Notes whether a listing was answered.
    pub fn note_listing(&self, is_answered: bool) {
        self.is_blind.store(!is_answered, Ordering::Relaxed);
    }

    pub fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Relaxed)
    }
}
