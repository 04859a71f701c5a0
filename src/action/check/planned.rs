//! A provision template: each of its hosts, before there is any.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use super::checked::Checked;
use super::given::Given;
use super::preflight::{Answers, nameless};
use super::{Context, Inquiry};
use crate::action::installation::Displaced;
use crate::opennebula::host::Host;
use crate::opennebula::template::{Planned, Template};
use crate::report::finding::{Finding, Mistake};
use crate::report::screen::Screen;
use crate::report::secret::Secret;
use crate::report::table::Look;
use crate::report::text::one_line;

/// What was found out of the hosts of a template.
pub(super) struct Provision {
    hosts: Vec<One>,
}

/// One host.
struct One {
    inquiry: Inquiry,
    /// The place of the first host that is the same but for its name, with all that was found.
    twin: Option<usize>,
}

impl Provision {
    /// Reads a template, and finds out all that is to be said of its hosts.
    pub(super) fn check(given: &Given<'_>, context: &Context<'_>) -> Result<Self> {
        let template = Template::read(&given.name("provision template"), given.path, &given.bytes)?;
        let doubts: Vec<Finding> =
            template.warnings.into_iter().map(|warning| Finding::doubtful("file", warning, "mend it")).collect();
        let mut answers = Answers::default();
        let mut known: Vec<Host> = Vec::new();
        let mut hosts: Vec<One> = Vec::new();
        let count = template.hosts.len();
        for (place, mut planned) in template.hosts.into_iter().enumerate() {
            planned.findings.extend(doubts.iter().cloned());
            let name = planned.host.provision("HOSTNAME").map(one_line).unwrap_or_default();
            let host = nameless(&planned.host);
            let mut inquiry = inquire(planned, &template.exposed, &mut answers, context)?;
            let of = if count == 1 { String::new() } else { format!(" {} of {count}", place + 1) };
            inquiry.called = format!("host{of} of the template: {name}").trim_end_matches([':', ' ']).to_owned();
            let twin = known.iter().position(|one| *one == host);
            let twin = twin.filter(|twin| hosts.get(*twin).is_some_and(|one| one.inquiry.findings == inquiry.findings));
            known.push(host);
            hosts.push(One { inquiry, twin });
        }
        Ok(Self { hosts })
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.hosts.iter().all(|one| one.inquiry.is_accepted())
    }

    pub(super) fn text(&self, screen: Screen) -> String {
        let mut text = String::new();
        for One { inquiry, twin } in &self.hosts {
            let mut called = inquiry.called.clone();
            called.replace_range(..1, "H");
            text.push_str(&Look::Bold.paint(&screen.folded(&called), screen.has_colours));
            text.push_str("\n\n");
            match twin {
                Some(twin) => text.push_str(&format!("As host {}, but for its name.", twin + 1)),
                None => text.push_str(&inquiry.text(screen)),
            }
            text.push_str("\n\n");
        }
        if self.hosts.len() > 1 {
            let look = if self.is_accepted() { Look::Green } else { Look::Red };
            text.push_str(&look.paint(&screen.folded(&self.conclusion()), screen.has_colours));
        }
        text
    }

    fn conclusion(&self) -> String {
        let refused = self.hosts.iter().enumerate().filter(|(_, one)| !one.inquiry.is_accepted());
        let refused: Vec<String> = refused.map(|(place, _)| (place + 1).to_string()).collect();
        match (&refused[..], self.hosts.len()) {
            ([], count) => format!("All {count} hosts would be accepted."),
            ([one], count) => format!("Of {count} hosts one would fail: host {one}."),
            (several, count) if several.len() == count => format!("All {count} hosts would fail."),
            (several, count) => format!("Of {count} hosts {} would fail: hosts {}.", several.len(), several.join(", ")),
        }
    }

    pub(super) fn json(&self) -> Value {
        let hosts: Vec<Value> = self.hosts.iter().map(|one| one.inquiry.json()).collect();
        json!({ "accepted": self.is_accepted(), "hosts": hosts })
    }
}

/// Finds out all that is to be said of one host; a driver that there is not is a finding, too.
fn inquire(
    planned: Planned,
    exposed: &[(PathBuf, Secret)],
    answers: &mut Answers,
    context: &Context<'_>,
) -> Result<Inquiry> {
    let spec = match context.provider_of(Some(&planned.host)) {
        Ok(provider) => provider.spec(),
        Err(error) => {
            let mut findings = planned.findings;
            findings.push(Finding::of("driver", Mistake::of(&error)));
            return Ok(Inquiry { subject: "A deploy", called: String::new(), sections: Vec::new(), findings });
        }
    };
    let mut checked = Checked::planned(planned, exposed, spec);
    let links = Displaced::all().into_iter();
    checked.findings.extend(links.map(|one| one.finding(one.driver == spec.name)));
    Inquiry::make(checked, answers, context)
}
