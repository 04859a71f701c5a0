//! The engine, over any backend: order or adopt, wait, roll back, power, delete.
//!
//! oneprovision stores the deploy id only after `deploy` succeeded, cancels only what has one, and orders
//! again when it retries. So from the moment an order may exist until its id is handed over, whatever goes
//! wrong here deletes the machine; and what a killed run left is found by its owner's tag and adopted.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::backend::{Backend, Machine, MachineId, Order, Power, State};
use crate::host::Owner;
use crate::http::{ApiError, Kind};
use crate::interrupt::Interrupt;
use crate::journal::{Entry, Journal};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::report::Report;
use crate::retry::{Advice, Backoff, advice};

/// How long an order whose answer was lost is looked for before it counts as not carried out: a listing can
/// lag by several seconds.
const SETTLE: Duration = Duration::from_secs(12);
/// How often an order is sent in all, where each answer was lost and no machine appeared.
const ORDERS: u32 = 3;
/// The least and the most time that a roll-back takes: long enough to outlast a hiccup, and most refusals
/// "while it is provisioning".
const ROLL_BACK: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));
/// How long a reboot may take to show that the machine went down. Right after the call it is still up, and
/// some providers never show it down.
const GRACE: Duration = Duration::from_secs(60);

/// How often the pause of a wait is doubled at most because the provider sent us away.
const STRAIN: u32 = 3;

/// The engine.
pub struct Lifecycle {
    backend: Arc<dyn Backend>,
    interrupt: Interrupt,
    timeout: Duration,
    report: Report,
}

/// What went wrong.
#[derive(Debug)]
pub enum Trouble {
    /// A call failed.
    Api(ApiError),
    /// The machine is in a state that it will not leave.
    Failed(String),
    /// The machine is gone, or was taken back by the provider.
    Vanished(Cow<'static, str>),
    /// The deadline passed.
    Deadline {
        /// What was waited for, and for how long.
        waited: String,
        /// What was last seen, or what kept us from seeing.
        last: String,
    },
    /// A signal came.
    Interrupted(Signal),
    /// Several machines carry the owner's tag.
    Several(Vec<MachineId>),
    /// The id could not be handed over.
    NotHandedOver(io::Error),
    /// Every order was lost, and none was carried out.
    OrdersLost(ApiError),
    /// A panic.
    OurMistake,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Failed(state) => write!(f, "the machine is in state {state}"),
            Self::Vanished(how) => write!(f, "the machine {how}"),
            Self::Deadline { waited, last } => {
                write!(
                    f,
                    "{waited}, {last}; PM_TIMEOUT is the time it gets, in seconds"
                )
            }
            Self::Interrupted(signal) => write!(f, "interrupted ({signal})"),
            Self::Several(ids) => {
                let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
                write!(
                    f,
                    "it has {} machines already, {}: delete all but one at the provider",
                    ids.len(),
                    ids.join(" and ")
                )
            }
            Self::NotHandedOver(error) => {
                write!(
                    f,
                    "the deploy id could not be printed ({error}): keep stdout open"
                )
            }
            Self::OurMistake => f.write_str("pm-packet made a mistake: please report it"),
            Self::OrdersLost(error) => write!(f, "no order got an answer: {error}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Signal> for Trouble {
    fn from(signal: Signal) -> Self {
        Self::Interrupted(signal)
    }
}

/// What a deploy is to do.
pub struct Job<'a> {
    /// What to order.
    pub order: &'a Order,
    /// Whose it will be.
    pub owner: &'a Owner,
    /// What an earlier run for this owner may have left, and where this one notes what it does.
    pub journal: &'a Journal,
    /// The command that removes a machine, for messages.
    pub remove: &'a dyn Fn(&MachineId) -> String,
}

/// A deploy that failed, and what became of what it ordered.
#[derive(Debug)]
pub struct NotDeployed {
    /// What somebody must know first: what is left, or why it failed and that nothing is left.
    pub outcome: String,
    /// Why it failed, where the outcome does not say so itself.
    pub cause: Option<Trouble>,
}

impl fmt::Display for NotDeployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)
    }
}

/// What may be lost if the deploy fails now.
#[derive(Debug, Default)]
struct Stake {
    /// The machine that was ordered or adopted.
    machine: Option<MachineId>,
    /// An order was sent whose answer was lost.
    lost_order: bool,
}

impl Stake {
    fn is_nothing(&self) -> bool {
        self.machine.is_none() && !self.lost_order
    }
}

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is under way.
    Accepted,
    /// The machine was there already.
    Already,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    On,
    Off,
    /// Anything but up: the first half of a reboot.
    Down,
    Gone,
}

impl Goal {
    fn is_reached_by(self, state: State) -> bool {
        match self {
            Self::On => state == State::On,
            Self::Off => state == State::Off,
            Self::Down => state != State::On,
            Self::Gone => false,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "active",
            Self::Off => "powered off",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}

impl Lifecycle {
    /// The engine over `backend`; `timeout` is the time that one wait for a state may take.
    pub fn new(
        backend: Arc<dyn Backend>,
        interrupt: Interrupt,
        timeout: Duration,
        report: Report,
    ) -> Self {
        let at_work = Arc::clone(&backend);
        interrupt.on_first(Box::new(move || at_work.abort()));
        Self {
            backend,
            interrupt,
            timeout,
            report,
        }
    }

    /// Orders a machine, or adopts the one that its owner has, waits until it is up, and hands its id over.
    ///
    /// # Errors
    /// Whatever went wrong; by then what was ordered is deleted, or the error names it and says how to.
    pub fn deploy(
        &self,
        job: &Job<'_>,
        hand_over: impl FnOnce(&MachineId) -> io::Result<()>,
    ) -> Result<(), NotDeployed> {
        let mut stake = Stake::default();
        // A mistake of ours must not cost a machine either.
        let obtained = catch_unwind(AssertUnwindSafe(|| self.obtain(job, &mut stake)));
        let result = obtained
            .unwrap_or(Err(Trouble::OurMistake))
            .and_then(|machine| hand_over(&machine.id).map_err(Trouble::NotHandedOver));
        match result {
            Ok(()) => {
                job.journal.close();
                Ok(())
            }
            Err(trouble) => Err(self.roll_back(trouble, job, &stake)),
        }
    }

    /// Powers on the machine of a host that has one, and waits until it is up. It is never deleted.
    ///
    /// # Errors
    /// The machine is gone, or does not come up.
    pub fn resume(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        if self.act(id, Power::On, by)? == Outcome::Accepted {
            self.wait(id, Goal::On, true, by)?;
        }
        Ok(())
    }

    /// Powers the machine off and waits until it is. One that is off already is a success.
    ///
    /// # Errors
    /// The machine is gone, or does not go down.
    pub fn power_off(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        if self.act(id, Power::Off, by)? == Outcome::Accepted {
            self.wait(id, Goal::Off, true, by)?;
        }
        Ok(())
    }

    /// Off, and on again. From off it just powers on.
    ///
    /// # Errors
    /// As [`Self::power_off`] and [`Self::resume`].
    pub fn reset(&self, id: &MachineId) -> Result<(), Trouble> {
        self.power_off(id)?;
        self.resume(id)
    }

    /// Reboots the machine; returns when it was down and is up again.
    ///
    /// A provider that does not show the machine down within a grace period is believed if it is up then.
    ///
    /// # Errors
    /// The machine is gone, is off, or does not come up again.
    pub fn reboot(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        self.act(id, Power::Reboot, by)?;
        let grace = GRACE.min(self.timeout / 2);
        match self.wait(id, Goal::Down, true, (Instant::now() + grace).min(by)) {
            Ok(_) => {}
            Err(Trouble::Deadline { .. }) => self.report.info("the machine was not seen down"),
            Err(trouble) => return Err(trouble),
        }
        self.wait(id, Goal::On, true, by)?;
        Ok(())
    }

    /// Deletes the machine and waits until it is gone. One that is gone already is a success.
    ///
    /// # Errors
    /// The provider does not delete it, or it does not go away in time.
    pub fn cancel(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        self.interrupt.at_stake(Some(format!(
            "machine {id} may be STILL BILLED: cancel it again"
        )));
        self.delete(id, by)?;
        self.wait(id, Goal::Gone, true, by)?;
        Ok(())
    }

    /// Every machine that carries `tag`, with patience for passing faults.
    ///
    /// # Errors
    /// The call failed.
    pub fn tagged(&self, tag: &str) -> Result<Vec<Machine>, Trouble> {
        let by = self.deadline();
        self.ask(by, || self.backend.find(tag, by))
    }

    /// Looks at a machine once, with patience for passing faults.
    ///
    /// # Errors
    /// The call failed. A machine that is gone is `None`.
    pub fn look(&self, id: &MachineId) -> Result<Option<Machine>, Trouble> {
        let by = self.deadline();
        self.ask(by, || self.backend.get(id, by))
    }

    /// How long a lost order is looked for while there may be another one.
    fn settle(&self) -> Duration {
        SETTLE.min(self.timeout / 2)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    // ---- Deploy ------------------------------------------------------------------------------------------

    fn obtain(&self, job: &Job<'_>, stake: &mut Stake) -> Result<Machine, Trouble> {
        let by = self.deadline();
        let found = self.find(job, stake, by)?;
        let is_adopted = found.is_some();
        let machine = match found {
            Some(found) => {
                self.report
                    .info(format_args!("machine {} of this host is adopted", found.id));
                self.put_at_stake(job, stake, &found.id);
                if found.state == State::Off {
                    self.act(&found.id, Power::On, by)?;
                }
                found
            }
            None => self.order(job, stake, by)?,
        };
        let machine = if machine.state == State::On {
            machine
        } else {
            self.wait(&machine.id, Goal::On, is_adopted, by)?
                .ok_or(Trouble::Vanished("is gone".into()))?
        };
        self.ask(by, || self.backend.finish(job.order, &machine.id, by))?;
        if stake.lost_order {
            self.remove_doubles(&machine, job.owner, by)?;
        }
        Ok(machine)
    }

    /// The machine that the owner has, if any: what an earlier run noted and had no time to hand over or to
    /// delete, else what carries its tag.
    fn find(
        &self,
        job: &Job<'_>,
        stake: &mut Stake,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let noted = job.journal.read();
        let mut found = Vec::new();
        if let Some(Entry {
            machine: Some(id),
            age,
        }) = &noted
        {
            self.backend.expect(id, *age);
            // Whatever fails before it is known to be gone would lose it again.
            self.put_at_stake(job, stake, id);
            found.extend(self.noted(id, job.owner, by)?);
            if found.is_empty() {
                self.withdraw(stake);
            }
        }
        for machine in self.all_of(job.owner, by)? {
            if found.iter().all(|known: &Machine| known.id != machine.id) {
                found.push(machine);
            }
        }
        if let (true, Some(Entry { machine: None, age })) = (found.is_empty(), &noted)
            && *age < SETTLE
        {
            self.report
                .info("an earlier run was killed while it ordered: looking for it");
            stake.lost_order = true;
            found.extend(self.look_for(job.owner, self.settle(), by)?);
        }
        if found.len() > 1 {
            // Which of them is to go is not ours to say.
            self.withdraw(stake);
            return Err(Trouble::Several(
                found.into_iter().map(|machine| machine.id).collect(),
            ));
        }
        Ok(found.pop())
    }

    /// The machine that an earlier run noted, if it is still the owner's. One that the provider took back is
    /// not.
    fn noted(
        &self,
        id: &MachineId,
        owner: &Owner,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let machine = match self.ask(by, || self.backend.get(id, by)) {
            Err(Trouble::Api(error)) if error.kind == Kind::Forbidden => None,
            machine => machine?,
        };
        Ok(machine.filter(|machine| {
            machine.state != State::Deleting
                && machine.tags.iter().any(|tag| tag == owner.identity())
        }))
    }

    /// What carries the owner's tag. A machine that is being deleted is no more its own.
    fn all_of(&self, owner: &Owner, by: Instant) -> Result<Vec<Machine>, Trouble> {
        let mut found = self.ask(by, || self.backend.find(owner.identity(), by))?;
        found.retain(|machine| machine.state != State::Deleting);
        Ok(found)
    }

    /// Sends the order until it is known to have been carried out.
    fn order(&self, job: &Job<'_>, stake: &mut Stake, by: Instant) -> Result<Machine, Trouble> {
        let owner = job.owner;
        let mut backoff = Backoff::default();
        let mut orders = 0;
        loop {
            self.interrupt.check()?;
            self.interrupt.at_stake(Some(format!(
                "the machine that was just ordered may exist and be billed: look for the tag {} at the provider",
                owner.identity()
            )));
            if let Err(error) = job.journal.note(None) {
                self.report
                    .info(format_args!("no journal is kept: {error}"));
            }
            orders += 1;
            let error = match self.backend.create(job.order, by) {
                Ok(machine) => {
                    self.report
                        .info(format_args!("machine {} was ordered", machine.id));
                    self.put_at_stake(job, stake, &machine.id);
                    return Ok(machine);
                }
                Err(error) => error,
            };
            match error.kind {
                Kind::Lost => {
                    stake.lost_order = true;
                    self.report.info(format_args!(
                        "the answer to the order is lost ({error}): looking for it"
                    ));
                    if let Some(machine) = self.look_for(owner, self.settle(), by)? {
                        self.report
                            .info(format_args!("machine {} is what was ordered", machine.id));
                        self.put_at_stake(job, stake, &machine.id);
                        return Ok(machine);
                    }
                    if orders == ORDERS {
                        return Err(Trouble::OrdersLost(error));
                    }
                    self.report.info("nothing was ordered: ordering again");
                }
                // Nothing was ordered, and it may work later.
                Kind::Unsent | Kind::Throttled => {
                    let Some(pause) = backoff.after(&error) else {
                        return Err(self.not_ordered(job, stake, error));
                    };
                    self.report
                        .info(format_args!("the order was not taken ({error}): again"));
                    orders -= 1;
                    self.pause_within(pause, by, &error)?;
                }
                _ => return Err(self.not_ordered(job, stake, error)),
            }
        }
    }

    /// `error`, of an order that was refused: unless an earlier one was lost, nothing is at stake.
    fn not_ordered(&self, job: &Job<'_>, stake: &Stake, error: ApiError) -> Trouble {
        if stake.is_nothing() {
            job.journal.close();
        }
        error.into()
    }

    /// Looks for an order whose answer was lost until it appears, or has had the time to. A deadline or an
    /// error leaves it unknown.
    fn look_for(
        &self,
        owner: &Owner,
        settle: Duration,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let pace = Pace::begin();
        let settled = Instant::now() + settle;
        let goal = format!("until an order appears | tag {}", owner.identity());
        let mut line = self.progress(goal, settled);
        line.tell("not in the listing");
        loop {
            // An order that was sent twice may appear twice; the second one is removed in the end.
            if let Some(machine) = self.all_of(owner, by)?.into_iter().next() {
                return Ok(Some(machine));
            }
            if Instant::now() >= settled {
                return Ok(None);
            }
            line.sleep(pace.pause(None))?;
        }
    }

    /// Deletes what a lost order of this run brought beside the machine that is handed over: before the first
    /// order there was none.
    fn remove_doubles(&self, kept: &Machine, owner: &Owner, by: Instant) -> Result<(), Trouble> {
        for machine in self.all_of(owner, by)? {
            if machine.id != kept.id {
                self.report.info(format_args!(
                    "machine {} was ordered twice: deleting it",
                    machine.id
                ));
                self.delete(&machine.id, by)?;
            }
        }
        Ok(())
    }

    fn put_at_stake(&self, job: &Job<'_>, stake: &mut Stake, id: &MachineId) {
        stake.machine = Some(id.clone());
        if let Err(error) = job.journal.note(Some(id)) {
            self.report
                .info(format_args!("no journal is kept: {error}"));
        }
        self.interrupt.at_stake(Some(format!(
            "machine {id} may be STILL BILLED: remove it with `{}`",
            (job.remove)(id)
        )));
    }

    /// Nothing is at stake after all.
    fn withdraw(&self, stake: &mut Stake) {
        *stake = Stake::default();
        self.interrupt.at_stake(None);
    }

    /// Deletes whatever is at stake, and says what became of it.
    fn roll_back(&self, trouble: Trouble, job: &Job<'_>, stake: &Stake) -> NotDeployed {
        let nothing_left = |outcome: String| NotDeployed {
            outcome,
            cause: None,
        };
        if stake.is_nothing() {
            let reminder = job.journal.reminder();
            let reminder = reminder.as_deref().unwrap_or("nothing was ordered");
            return nothing_left(format!("{trouble}; {reminder}"));
        }
        self.interrupt.acknowledge();
        self.report.notice(format_args!(
            "{trouble}: rolling back; a second signal ends it at once"
        ));
        let by = Instant::now() + self.timeout.clamp(ROLL_BACK.0, ROLL_BACK.1);
        let mut left = Vec::new();
        let mut ids: Vec<MachineId> = stake.machine.iter().cloned().collect();
        if stake.lost_order {
            match self.find_lost(job.owner, !ids.is_empty(), by) {
                Ok(found) => ids.extend(found.into_iter().filter(|id| stake.machine.as_ref() != Some(id))),
                Err(why) => left.push(format!(
                    "an order may have been carried out and be STILL BILLED ({why}): look for the tag {} at the provider and delete what has it",
                    job.owner.identity()
                )),
            }
        }
        for id in &ids {
            match self.delete(id, by) {
                Ok(()) => {}
                Err(why) => left.push(format!(
                    "machine {id} is STILL BILLED and could not be deleted ({why}): remove it with `{}`",
                    (job.remove)(id)
                )),
            }
        }
        if !left.is_empty() {
            return NotDeployed {
                outcome: left.join("; "),
                cause: Some(trouble),
            };
        }
        job.journal.close();
        let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
        let ids = ids.join(" and ");
        nothing_left(match trouble {
            _ if ids.is_empty() => format!("{trouble}; no machine was ordered"),
            Trouble::Vanished(_) => format!("{trouble}; nothing is left of machine {ids}"),
            _ => format!("{trouble}; machine {ids} was deleted again"),
        })
    }

    /// What orders with lost answers brought; waits for the listing to catch up unless a machine is known.
    fn find_lost(
        &self,
        owner: &Owner,
        is_one_known: bool,
        by: Instant,
    ) -> Result<Vec<MachineId>, Trouble> {
        if !is_one_known {
            self.look_for(owner, SETTLE, by)?;
        }
        let found = self.all_of(owner, by)?;
        Ok(found.into_iter().map(|machine| machine.id).collect())
    }

    // ---- The steps ---------------------------------------------------------------------------------------

    /// Asks for a change of power until it is accepted, or turns out to have happened.
    fn act(&self, id: &MachineId, power: Power, by: Instant) -> Result<Outcome, Trouble> {
        let mut backoff = Backoff::default();
        // An earlier attempt may have worked although its answer was lost.
        let mut doubtful = false;
        let mut was_refused = false;
        loop {
            self.interrupt.check()?;
            let error = match self.backend.power(id, power, by) {
                Ok(()) => return Ok(Outcome::Accepted),
                Err(error) => error,
            };
            match error.kind {
                Kind::Missing => return Err(Trouble::Vanished("is gone".into())),
                Kind::Refused | Kind::Busy => {
                    let machine = self
                        .ask(by, || self.backend.get(id, by))?
                        .ok_or(Trouble::Vanished("is gone".into()))?;
                    match (power, machine.state) {
                        (Power::On, State::On) | (Power::Off, State::Off) => {
                            return Ok(Outcome::Already);
                        }
                        (Power::On, State::Starting) | (Power::Off, State::Stopping) => {
                            return Ok(Outcome::Accepted);
                        }
                        (Power::Reboot, State::Off | State::Stopping | State::Starting)
                            if doubtful =>
                        {
                            return Ok(Outcome::Accepted);
                        }
                        // On its way to somewhere else: then it will take the request.
                        (_, State::Starting | State::Stopping) => {}
                        // It may have come there between the refusal and the look.
                        (Power::On, State::Off) | (Power::Off | Power::Reboot, State::On)
                            if !was_refused =>
                        {
                            was_refused = true;
                        }
                        _ if error.kind == Kind::Busy => {}
                        _ => return Err(error.into()),
                    }
                    self.pause_within(backoff.pause(), by, &error)?;
                }
                _ => {
                    doubtful |= error.kind == Kind::Lost;
                    let Some(pause) = backoff.after(&error) else {
                        return Err(error.into());
                    };
                    self.pause_within(pause, by, &error)?;
                }
            }
        }
    }

    /// Asks for the deletion until it is accepted.
    fn delete(&self, id: &MachineId, by: Instant) -> Result<(), Trouble> {
        let mut backoff = Backoff::default();
        loop {
            self.interrupt.check()?;
            let error = match self.backend.delete(id, by) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let pause = match error.kind {
                Kind::Refused | Kind::Busy => {
                    // Refused for its state, or for good: the machine tells.
                    let Some(machine) = self.ask(by, || self.backend.get(id, by))? else {
                        return Ok(());
                    };
                    match machine.state {
                        State::Deleting => return Ok(()),
                        State::Starting | State::Stopping if !machine.locked => backoff.pause(),
                        _ if error.kind == Kind::Busy => backoff.pause(),
                        _ => return Err(error.into()),
                    }
                }
                Kind::Forbidden if self.is_taken_back(id, by)? => return Ok(()),
                _ => match backoff.after(&error) {
                    Some(pause) => pause,
                    None => return Err(error.into()),
                },
            };
            self.report
                .info(format_args!("not deleted yet ({error}): again"));
            self.pause_within(pause, by, &error)?;
        }
    }

    /// Whether the provider took the machine back: we may neither see it nor does our project, which we do
    /// see, hold it. Then it is not ours any more, and not billed to us; credentials that lack a right look
    /// different.
    fn is_taken_back(&self, id: &MachineId, by: Instant) -> Result<bool, Trouble> {
        match self.ask(by, || self.backend.get(id, by)) {
            Ok(None) => return Ok(true),
            Err(Trouble::Api(error)) if error.kind == Kind::Forbidden => {}
            Ok(Some(_)) | Err(_) => return Ok(false),
        }
        let ours = self.ask(by, || self.backend.find(Owner::COMMON_TAG, by));
        Ok(ours.is_ok_and(|machines| machines.iter().all(|machine| machine.id != *id)))
    }

    /// Waits until `goal` is reached, the only loop that does. `is_known`: the machine could be read before,
    /// so that it is not merely slow to appear.
    ///
    /// Ends at once on a state that it will not leave, when the machine vanishes, and on errors that do not
    /// pass; all others count against the deadline.
    fn wait(
        &self,
        id: &MachineId,
        goal: Goal,
        is_known: bool,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let pace = Pace::begin();
        let mut is_known = is_known;
        let mut was_deleting = false;
        let mut last = "it was never seen".to_owned();
        let mut progress = None;
        let mut asked_pause = Duration::ZERO;
        // How often we were sent away lately: where many wait at once, each must ask less often.
        let mut strain: u32 = 0;
        let mut line = self.progress(format!("until {goal} | machine {id}"), by);
        loop {
            // Nothing changes at the moment it was asked for: every look comes after a pause.
            let pause = (pace.pause(progress) * (1 << strain.min(STRAIN)))
                .max(asked_pause)
                .max(self.backend.rest());
            let left = by.saturating_duration_since(Instant::now());
            line.sleep(pause.min(left))?;
            if Instant::now() >= by {
                return Err(Trouble::Deadline {
                    waited: format!(
                        "the machine is not {goal} after {} s",
                        pace.elapsed().as_secs()
                    ),
                    last,
                });
            }
            asked_pause = Duration::ZERO;
            let seen = self.backend.get(id, by);
            strain = match &seen {
                Err(error) if error.kind == Kind::Throttled => strain + 1,
                _ => strain.saturating_sub(1),
            };
            match seen {
                Ok(Some(machine)) => {
                    is_known = true;
                    if goal.is_reached_by(machine.state) {
                        return Ok(Some(machine));
                    }
                    self.judge(goal, &machine, was_deleting, by)?;
                    was_deleting |= machine.state == State::Deleting;
                    progress = machine.progress;
                    let seen = match machine.progress {
                        Some(progress) => format!("{} ({progress:.0} %)", machine.state_name),
                        None => machine.state_name,
                    };
                    line.tell(&seen);
                    last = format!("it is {seen}");
                }
                Ok(None) if goal == Goal::Gone => return Ok(None),
                Ok(None) if is_known => return Err(self.vanished(id, "is gone", by)),
                Ok(None) if pace.elapsed() > SETTLE => {
                    return Err(self.vanished(id, "never appeared", by));
                }
                // It may come yet, unless the provider knows better.
                Ok(None) => {
                    if let Ok(Some(told)) = self.backend.fate(id, by) {
                        return Err(Trouble::Vanished(told.into()));
                    }
                }
                // A machine that failed is moved to the provider's own project.
                Err(error) if error.kind == Kind::Forbidden && goal == Goal::Gone => {
                    return Ok(None);
                }
                Err(error) if error.kind == Kind::Forbidden && is_known => {
                    return Err(Trouble::Vanished("was taken back by the provider".into()));
                }
                Err(error) if advice(error.kind) == Advice::Never => return Err(error.into()),
                Err(error) => {
                    asked_pause = error.retry_after.unwrap_or_default();
                    last = format!("the last look failed: {error}");
                    line.tell(&last);
                }
            }
        }
    }

    /// Whether `machine` can still reach `goal`.
    fn judge(
        &self,
        goal: Goal,
        machine: &Machine,
        was_deleting: bool,
        by: Instant,
    ) -> Result<(), Trouble> {
        match machine.state {
            // Right after its deletion a failed machine may still be shown as failed.
            State::Failed if goal != Goal::Gone || was_deleting => {
                Err(Trouble::Failed(machine.state_name.clone()))
            }
            State::Deleting if goal != Goal::Gone => {
                Err(self.vanished(&machine.id, "is being deleted", by))
            }
            _ => Ok(()),
        }
    }

    /// What became of a machine: what the provider tells of it, else just `how`.
    fn vanished(&self, id: &MachineId, how: &'static str, by: Instant) -> Trouble {
        let told = self.backend.fate(id, by).unwrap_or_default();
        Trouble::Vanished(told.map_or(how.into(), Cow::from))
    }

    /// Asks something that may be asked again, with patience for passing faults.
    fn ask<T>(&self, by: Instant, call: impl Fn() -> Result<T, ApiError>) -> Result<T, Trouble> {
        let mut backoff = Backoff::default();
        loop {
            self.interrupt.check()?;
            let error = match call() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = backoff.after(&error) else {
                self.interrupt.check()?;
                return Err(error.into());
            };
            self.report.info(format_args!("{error}: again"));
            self.pause_within(pause, by, &error)?;
        }
    }

    /// Sleeps for `pause`, unless the deadline comes first: then `error` is what it ends with.
    fn pause_within(&self, pause: Duration, by: Instant, error: &ApiError) -> Result<(), Trouble> {
        if Instant::now() + pause >= by {
            self.interrupt.check()?;
            return Err(Trouble::Deadline {
                waited: "there is no time left to try again".to_owned(),
                last: format!("the last attempt failed: {error}"),
            });
        }
        let mut line = self.progress("asking again".to_owned(), by);
        line.tell(error.reasons.join("; "));
        line.sleep(pause)?;
        Ok(())
    }

    fn progress(&self, goal: String, by: Instant) -> Progress<'_> {
        Progress::new(self.report, &self.interrupt, goal, by)
    }
}
