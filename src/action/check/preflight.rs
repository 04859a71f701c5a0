//! What would be ordered, and what the provider says of it.

use std::time::Duration;

use anyhow::Result;

use super::checked::{Checked, Origin};
use super::{Context, Inquiry, Section, host, keys};
use crate::action::target::mistake_of;
use crate::action::timeout;
use crate::engine::{Engine, Sight};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::{Settings, Source};
use crate::provider::machine::State;
use crate::provider::order::Order;
use crate::provider::session::Session;
use crate::provider::spec::Spec;
use crate::provider::{self, Filter, Provider};
use crate::report::finding::{Finding, Mistake, Problems};
use crate::report::secret::Secret;

/// How long all questions to the provider may take.
const QUESTIONS: Duration = Duration::from_secs(60);

/// What the provider said of hosts, so that it is asked once for those that differ in their names alone.
#[derive(Default)]
pub(super) struct Answers(Vec<(Host, Vec<Finding>)>);

impl Answers {
    /// What was said of `host`, but for its name.
    fn find(&self, host: &Host) -> Option<&[Finding]> {
        let host = nameless(host);
        self.0.iter().find(|(known, _)| *known == host).map(|(_, found)| &found[..])
    }
}

/// The host without the name that is ordered for it.
pub(super) fn nameless(host: &Host) -> Host {
    let mut host = host.clone();
    host.drop_provision(&["HOSTNAME"]);
    host
}

impl Inquiry {
    /// Finds out all that is to be said of a host.
    pub(super) fn make(checked: Checked, answers: &mut Answers, context: &Context<'_>) -> Result<Self> {
        let Checked { host, origin, secrets, mut findings } = checked;
        let provider = context.provider_of(Some(&host))?;
        let settings = context.settings(provider, Some(&host));
        let (sections, doubts) = host::read(&host, provider.spec());
        findings.extend(doubts);
        let mut inquiry = Self { subject: "A deploy", called: host.called(), sections, findings };
        inquiry.told_settings(provider.spec(), &settings, &origin)?;
        let owner = match origin {
            Origin::Template => Owner::planned(),
            Origin::File | Origin::Oned(_) => Owner::of(&host),
        };
        let (order, problems) = Order::draft(provider.spec(), &host, &settings, &owner)?;
        let has_machine = host.deploy_id().is_some();
        let is_right = problems == Problems::default();
        if !has_machine {
            inquiry.told_order(&order, problems, &owner, &origin, context);
        }
        if let Err(error) = timeout(&settings) {
            inquiry.findings.push(Finding::of("settings", Mistake::of(&error)));
        }
        let told = inquiry.findings.len();
        match answers.find(&host) {
            Some(found) => inquiry.findings.extend_from_slice(found),
            None => match provider::connect(provider, &settings, context.clock()?, context.report) {
                Ok(session) => {
                    // Where a setting is wrong, which was said, only the machine cannot be looked at.
                    let engine = context.engine(provider, Some(&host)).ok();
                    let engine = engine.map(|(engine, _)| engine);
                    match has_machine {
                        true => inquiry.look(&host, provider, engine),
                        false => inquiry.ask(provider, &session, engine, &order, &owner),
                    }
                    answers.0.push((nameless(&host), inquiry.findings[told..].to_vec()));
                }
                // What is missing was said with the order.
                Err(_) if !is_right && !has_machine => {}
                Err(error) => inquiry.findings.push(Finding::of("credentials", Mistake::of(&error))),
            },
        }
        let is_said = inquiry.findings.iter().any(|one| one.about == "ssh key");
        inquiry.findings.extend(keys::findings(&host, is_said));
        inquiry.redact(&secrets);
        Ok(inquiry)
    }

    /// Strikes secrets out of all that is told.
    pub(super) fn redact(&mut self, secrets: &[Secret]) {
        let lines = self.sections.iter_mut().flat_map(|one| &mut one.lines);
        let values = lines.map(|(_, value)| value);
        let findings = self.findings.iter_mut();
        let told = findings.flat_map(|one| [&mut one.what, &mut one.remedy]);
        for text in values.chain(told) {
            for secret in secrets {
                *text = secret.strike_from(text);
            }
        }
    }

    /// Whose credentials are used, and where each other setting comes from that the host does not say itself.
    fn told_settings(&mut self, spec: &Spec, settings: &Settings<'_>, origin: &Origin) -> Result<()> {
        let place = |source: Source<'_>| match source {
            Source::Host => origin.to_string(),
            Source::Environment => "the environment".to_owned(),
            Source::File(path) => path.display().to_string(),
        };
        let mut used: Vec<String> = Vec::new();
        for name in spec.names(|one| one.is_account && one.is_secret) {
            if let Some((_, source)) = settings.find(name)? {
                used.push(format!("{name} of {}", place(source)));
            }
        }
        if !used.is_empty() {
            self.findings.push(Finding::good("account", used.join("; ")));
        }
        let mut lines = Vec::new();
        let names = spec.names(|one| one.is_account).into_iter().chain(["PM_TIMEOUT", "PM_RECORD", "PM_ROOT_PASSWORD"]);
        for name in names {
            match settings.find(name)? {
                None | Some((_, Source::Host)) => {}
                Some((_, source)) => lines.push((name.to_owned(), format!("from {}", place(source)))),
            }
        }
        if !lines.is_empty() {
            self.sections.push(Section { title: "Settings", lines });
        }
        Ok(())
    }

    /// What would be ordered, if that can be said.
    fn told_order(&mut self, order: &Order, problems: Problems, owner: &Owner, origin: &Origin, context: &Context<'_>) {
        if problems != Problems::default() {
            let problems = [problems.general, problems.mistakes].concat();
            let problems = problems.into_iter();
            self.findings.extend(problems.map(|problem| Finding::of("attributes", problem)));
            return;
        }
        match origin {
            // Among several hosts, where it is said which is meant.
            Origin::Template => {
                let warnings = order.warnings.iter();
                self.findings.extend(warnings.map(|what| Finding::doubtful("attributes", what, "")));
            }
            Origin::File | Origin::Oned(_) => order.warnings.iter().for_each(|what| context.report.warn(what)),
        }
        self.findings.push(Finding::good("attributes", "complete and well-formed"));
        let summary = order.summary.iter();
        let lines: Vec<_> = summary.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if !lines.is_empty() {
            let title = "What would be ordered";
            self.sections.push(Section { title, lines });
        }
        if !owner.is_lasting() {
            self.findings.push(Finding::doubtful(
                "identity",
                "it has no PROVISION_ID and no random name: a killed deploy could not find its machine again",
                "create the host with oneprovision",
            ));
        }
    }

    /// What the machine is that the host has.
    fn look(&mut self, host: &Host, provider: &dyn Provider, engine: Option<Engine>) {
        const ABOUT: &str = "machine";
        const ANEW: &str = "delete the host and create it anew";
        let text = host.deploy_id().unwrap_or_default();
        let does = format!("powers on machine {text}, and orders nothing");
        self.sections.push(Section { title: "What would be done", lines: vec![("deploy".to_owned(), does)] });
        let spec = provider.spec();
        let Some(id) = (spec.id)(text) else {
            let what = format!("DEPLOY_ID is {text:?}, which is not {}", spec.id_form);
            let remedy = "mend it with onehost update";
            self.findings.push(Finding::bad(ABOUT, what, remedy));
            return;
        };
        let Some(engine) = engine else {
            return;
        };
        self.findings.push(match engine.look(&id) {
            Ok(Sight::Gone(_) | Sight::NotYet) => Finding::bad(ABOUT, format!("{id} is gone"), ANEW),
            Ok(Sight::Here(machine)) => {
                let what = format!("{id} is {}", machine.state_name);
                match machine.state {
                    State::Failed | State::Deleting => Finding::bad(ABOUT, what, ANEW),
                    _ => Finding::good(ABOUT, what),
                }
            }
            Err(error) => {
                let Mistake { what, remedy } = mistake_of(error);
                Finding::bad(ABOUT, format!("{id}: {what}"), remedy)
            }
        });
    }

    /// What the provider says of the order, and of what an earlier deploy left.
    fn ask(
        &mut self,
        provider: &dyn Provider,
        session: &Session,
        engine: Option<Engine>,
        order: &Order,
        owner: &Owner,
    ) {
        const ABOUT: &str = "machine";
        let found = provider.preflight(&session.within(QUESTIONS), order);
        let is_closed = found.iter().any(|one| one.is_closing);
        self.findings.extend(found);
        let Some(engine) = engine.filter(|_| !is_closed && owner.is_lasting()) else {
            return;
        };
        let mut machines = match engine.list(Filter::Marked(&order.mark)) {
            Ok(machines) => machines,
            Err(error) => {
                self.findings.push(Finding::of(ABOUT, mistake_of(error)));
                return;
            }
        };
        machines.retain(|machine| machine.state != State::Deleting);
        self.findings.extend(match &machines[..] {
            [] => None,
            [machine] => Some(Finding::doubtful(
                ABOUT,
                format!("{} of an earlier deploy is there and {}", machine.id, machine.state_name),
                "deploy adopts it and orders none",
            )),
            several => {
                let ids: Vec<&str> = several.iter().map(|machine| machine.id.as_str()).collect();
                let ids = ids.join(" and ");
                let what = format!("the host has {} machines already, {ids}", several.len());
                Some(Finding::bad(ABOUT, what, "delete all but one at the provider"))
            }
        });
    }
}
