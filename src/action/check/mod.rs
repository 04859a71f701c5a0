//! `check FILE | --host ID`: what a deployment file says, what would be ordered, and whether that would work.
//!
//! It asks and never changes anything: no order, no file, no host.

mod checked;
mod fencing;
mod host;
mod keys;
mod preflight;
mod render;

use std::path::Path;

use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};

use self::checked::Checked;
use super::installation::Displaced;
use super::{Context, Outcome};
use crate::opennebula::host::HostId;
use crate::report::finding::Finding;

/// Show what a host's deployment file says and would order, and whether a deploy would be accepted.
///
/// Orders nothing and changes nothing. Exit code 0: a deploy would be accepted; 1: it would not.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check", help_triggers("-h", "--help"))]
pub struct Check {
    /// a deployment file: the host's XML, as oneprovision writes it and `onehost show -x` prints it
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
            (Some(path), None) => Checked::from_file(Path::new(path), context)?,
            (None, Some(id)) => Checked::from_oned(id, context)?,
            _ => bail!("what is to be checked is not clear: give a deployment file, or --host ID"),
        };
        let driver = context.provider_of(Some(&checked.host))?.spec().name;
        let links = Displaced::all().into_iter();
        checked.findings.extend(links.map(|one| one.finding(one.driver == driver && !self.fence)));
        let inquiry = match self.fence {
            true => Inquiry::of_fencing(checked, context)?,
            false => Inquiry::make(checked, context)?,
        };
        let screen = context.report.screen();
        match self.json {
            true => context.print(&format!("{:#}", inquiry.json()))?,
            false => context.show(&inquiry.text(if self.wide { screen.wide() } else { screen }))?,
        }
        Ok(if inquiry.is_accepted() { Outcome::Well } else { Outcome::Unwell })
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
