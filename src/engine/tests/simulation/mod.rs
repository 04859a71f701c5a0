//! Many hosts of two OpenNebulas at one provider and on one clock: late and doubled orders, lost answers, listings that
//! lag and fail, looks that lie, machines that fail or are taken back, signals, kills, two deploys of one host at once,
//! hosts that are deleted meanwhile, and an oned that refuses. All of it is drawn from a seed.
//!
//! `PM_PACKET_PLAYS` is the number of plays (1 prints every step), `PM_PACKET_SEED` the first seed.

mod host_in_oned;
mod life;

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::thread;

use self::life::Life;
use super::fault::Asked;
use super::*;
use crate::provider::Provider as _;

/// How many plays there are where `PM_PACKET_PLAYS` does not say.
const PLAYS: u64 = 1700;
/// The OpenNebulas of a play, and the hosts of each.
const FRONT_ENDS: u32 = 2;
const HOSTS: u32 = 3;
/// One play.
struct Play {
    seed: u64,
    name: &'static str,
    clock: Arc<VirtualClock>,
    provider: &'static Scripted,
    /// The folder of the notes, as long as this lives.
    folder: Folder,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shapes = shapes::all();
        let (name, spec, mut manner) = shapes.swap_remove(random.usize(..shapes.len()));
        manner.provisioning = seconds(random.u64(1..300));
        manner.deleting = seconds(random.u64(0..60));
        manner.hidden_in_lists = seconds([0, random.u64(0..28)][random.usize(0..2)]);
        manner.hidden_by_id = seconds(random.u64(0..28)).min(manner.hidden_in_lists);
        let stage = Stage::new(spec, manner);
        stage.provider.world().is_told = number("PM_PACKET_PLAYS") == Some(1);
        let (clock, provider) = (Arc::clone(&stage.clock), stage.provider);
        Self { seed, name, clock, provider, folder: stage.folder }
    }

    /// A host of one of the OpenNebulas; their numbers are the same in each.
    fn life(&self, front_end: u32, host: u32) -> Life<'_> {
        let spec = self.provider.spec();
        let xml = format!(
            "<HOST><ID>{host}</ID><NAME>n</NAME><TEMPLATE><PROVISION><PROVISION_ID>{front_end}</PROVISION_ID></PROVISION></TEMPLATE></HOST>"
        );
        let (host_of, _) = Host::parse(&xml).unwrap();
        let environment = Environment::default();
        let settings = Settings::of(Some(&host_of), &environment);
        let owner = Owner::of(&host_of);
        let folder = self.folder.0.join(front_end.to_string());
        let seed = self.seed.wrapping_mul(1009) + u64::from(front_end * HOSTS + host);
        Life {
            play: self,
            order: Order::of(spec, &host_of, &settings, &owner).unwrap(),
            journal: Journal::in_folder(&folder, spec, &owner),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            books: Mutex::default(),
        }
    }

    fn engine(&self, interrupt: &Interrupt) -> Engine {
        let report = Report::new(Level::Quiet);
        let environment = Environment::default();
        let settings = Settings::of(None, &environment);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let session = provider::connect(self.provider, &settings, clock, report).unwrap();
        let clock = Arc::clone(&self.clock);
        Engine::new(self.provider, Arc::new(session), interrupt.clone(), clock, seconds(1800), report)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays one play, and returns what was asked of the provider, and when.
fn play(seed: u64) -> Vec<Asked> {
    let play = Play::new(seed);
    let lives: Vec<Life<'_>> =
        (0..FRONT_ENDS * HOSTS).map(|number| play.life(number / HOSTS, number % HOSTS)).collect();
    thread::scope(|scope| {
        for life in &lives {
            let begins = seconds(life.draw(|random| random.u64(0..60)));
            play.clock.part(scope, begins, || life.lead());
            let later = seconds(life.draw(|random| random.u64(0..300)));
            play.clock.part(scope, begins + later, || life.meddle());
        }
        play.clock.pass(seconds(1_000_000), || false);
    });
    std::mem::take(&mut play.provider.world().asked)
}

#[test]
fn a_seed_plays_the_same_again() {
    for seed in [3, 8] {
        assert_eq!(play(seed), play(seed));
    }
}

#[test]
fn whatever_mishaps_come_together_the_books_balance() {
    let first = number("PM_PACKET_SEED").unwrap_or(0);
    let plays = number("PM_PACKET_PLAYS").unwrap_or(PLAYS);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(plays as usize);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + plays {
                        break;
                    }
                    play(seed);
                }
            });
        }
    });
}
