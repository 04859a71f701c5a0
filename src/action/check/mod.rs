//! `check FILE | --host ID`: what a deployment file says, or each host of a provision template; what would be ordered, and
//! whether that would work.
//!
//! It asks and never changes anything: no order, no file, no host.

mod checked;
mod fencing;
mod given;
mod host;
mod keys;
mod planned;
mod preflight;
mod render;

use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};
use serde_json::Value;

use self::checked::Checked;
use self::given::Given;
use self::planned::Provision;
use self::preflight::Answers;
use super::installation::Displaced;
use super::{Context, Outcome};
use crate::opennebula::host::HostId;
use crate::report::finding::Finding;
use crate::report::screen::Screen;

/// Show what a host's file, or each host of a provision template, says and would order, and whether that would be accepted.
///
/// Orders nothing and changes nothing. Exit code 0: a deploy would be accepted; 1: it would not.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check", help_triggers("-h", "--help"))]
pub struct Check {
    /// a host's XML, as oneprovision writes it and `onehost show -x` prints it, or a template of
    /// `oneprovision create`; - for STDIN
    #[argh(positional, arg_name = "FILE")]
    file: Option<String>,
    /// the host with this id, from oned, in place of a file
    #[argh(option, arg_name = "ID")]
    host: Option<String>,
    /// whether the host could be fenced, in place of whether it could be deployed
    #[argh(switch)]
    fence: bool,
    /// lines of any length, however wide the terminal is
    #[argh(switch)]
    wide: bool,
    /// print JSON
    #[argh(switch, short = 'j')]
    json: bool,
}

impl Check {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// There is no host to check; all else is a finding.
    pub fn run(self, context: &Context<'_>) -> Result<Outcome> {
        let mut checked = match (&self.file, &self.host) {
            (Some(name), None) => match Given::read(name)? {
                given if given.is_xml() => Checked::from_xml(&given, context)?,
                _ if self.fence => {
                    bail!("a host of a provision template cannot be fenced, for there is none yet: give --host ID")
                }
                given => {
                    let provision = Provision::check(&given, context)?;
                    let text = |screen| provision.text(screen);
                    return self.told(provision.is_accepted(), || provision.json(), text, context);
                }
            },
            (None, Some(id)) => Checked::from_oned(id, context)?,
            _ => {
                bail!("what is to be checked is not clear: give a deployment file, a provision template, or --host ID")
            }
        };
        let driver = context.provider_of(Some(&checked.host))?.spec().name;
        let links = Displaced::all().into_iter();
        checked.findings.extend(links.map(|one| one.finding(one.driver == driver && !self.fence)));
        let inquiry = match self.fence {
            true => Inquiry::of_fencing(checked, context)?,
            false => Inquiry::make(checked, &mut Answers::default(), context)?,
        };
        self.told(inquiry.is_accepted(), || inquiry.json(), |screen| inquiry.text(screen), context)
    }

    /// Prints what was found, for programs or for people.
    fn told(
        &self,
        is_accepted: bool,
        json: impl Fn() -> Value,
        text: impl Fn(Screen) -> String,
        context: &Context<'_>,
    ) -> Result<Outcome> {
        let screen = context.report.screen();
        match self.json {
            true => context.print(&format!("{:#}", json()))?,
            false => context.show(&text(if self.wide { screen.wide() } else { screen }))?,
        }
        Ok(if is_accepted { Outcome::Well } else { Outcome::Unwell })
    }
}

/// The id that an option gives.
pub(super) fn host_id(text: &str) -> Result<HostId> {
    id_of("--host", text)
}

/// The id of a host that the option `name` gives.
pub(super) fn id_of(name: &str, text: &str) -> Result<HostId> {
    match HostId::parse(text) {
        Some(id) => Ok(id),
        None => {
            bail!("{name} is {text:?}, which is no number: give the id that `onehost list` shows")
        }
    }
}

/// A part of what is shown: names and values.
struct Section {
    title: &'static str,
    lines: Vec<(String, String)>,
}

/// All that is known of a host and of its order.
struct Inquiry {
    /// What would be done: what may follow "A deploy".
    subject: &'static str,
    called: String,
    sections: Vec<Section>,
    findings: Vec<Finding>,
}
