//! `oneprovision create`: hosts that are deployed together, what somebody chooses where one of them fails, and what
//! becomes of their DEPLOY_IDs.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Answer, Host};

/// What somebody chooses who is asked about a failed deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The same deploy again, with the same file; it may be gone, see [`Provision::loses_file`].
    Retry,
    /// On without it.
    Skip,
    /// End at once: nothing is cancelled, and nothing stored.
    Quit,
    /// Delete what there is of the provision, and end.
    Cleanup,
}

/// How a create ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every host is deployed, polled and has its name.
    Done,
    /// Somebody chose to.
    Quit,
    /// The same.
    CleanedUp,
    /// "Failed to get provision name": a poll came to nothing. The hosts after it are neither recorded nor polled.
    Unnamed(i32),
}

/// What a create did.
#[derive(Debug)]
pub struct Created {
    /// How it ended.
    pub end: End,
    /// Every answer of a driver, with the host and the action that it is about, in the order of the hosts.
    pub answers: Vec<(i32, &'static str, Answer)>,
}

impl Created {
    /// The answers to an action, with their hosts.
    pub fn of(&self, action: &str) -> Vec<(i32, &Answer)> {
        let answers = self.answers.iter().filter(|(_, name, _)| *name == action);
        answers.map(|(host, _, answer)| (*host, answer)).collect()
    }
}

/// Hosts of one provision.
#[derive(Clone, Debug)]
pub struct Provision<'a> {
    /// In their order in the template.
    pub hosts: Vec<Host<'a>>,
    /// How many drivers run side by side: `--threads`.
    pub threads: usize,
    /// Whether the last file of a batch is gone when its deploy is tried again: it is deleted when the batch's first thread
    /// ends, where there are several.
    pub loses_file: bool,
}

impl<'a> Provision<'a> {
    /// These hosts, three at a time, as oneprovision does it.
    pub fn new(hosts: Vec<Host<'a>>) -> Self {
        Provision { hosts, threads: 3, loses_file: false }
    }

    /// Deploys all hosts; `choose` is asked about each failure. DEPLOY_IDs are stored only when no deploy failed, or those
    /// that did were skipped: host after host, each of which is polled then, so that its name is known.
    pub fn create(&self, mut choose: impl FnMut(Host<'a>, &Answer) -> Choice) -> Result<Created> {
        let mut answers = Vec::new();
        let mut printed = Vec::new();
        for batch in self.hosts.chunks(self.threads.max(1)) {
            let files: Vec<String> = batch.iter().map(Host::write_deployment_file).collect::<Result<_>>()?;
            let mut first = deploy_all(batch, &files)?.into_iter();
            for (at, host) in batch.iter().enumerate() {
                let mut answer = first.next().context("an answer a host")?;
                let id = loop {
                    answers.push((host.id, "deploy", answer.clone()));
                    if answer.is_success() {
                        break answer.stdout;
                    }
                    match choose(*host, &answer) {
                        Choice::Skip => break String::new(),
                        Choice::Quit => return Ok(Created { end: End::Quit, answers }),
                        Choice::Cleanup => {
                            answers.extend(self.clean_up()?);
                            return Ok(Created { end: End::CleanedUp, answers });
                        }
                        Choice::Retry => {
                            if self.loses_file && at > 0 && at + 1 == batch.len() {
                                std::fs::remove_file(&files[at])?;
                            }
                            answer = host.deploy_with(Path::new(&files[at]))?;
                        }
                    }
                };
                printed.push((*host, id));
            }
        }
        for (host, id) in printed {
            host.oned.set_deploy_id(host.id, &id)?;
            let (answer, _) = host.poll()?;
            answers.push((host.id, "poll", answer));
            if host.name()?.starts_with("provision-") {
                return Ok(Created { end: End::Unnamed(host.id), answers });
            }
        }
        Ok(Created { end: End::Done, answers })
    }

    /// `provision delete`, and what *cleanup* does: cancels the machine of each host that has a DEPLOY_ID stored, and
    /// deletes the hosts whose machine is cancelled, or that have none.
    pub fn clean_up(&self) -> Result<Vec<(i32, &'static str, Answer)>> {
        let mut answers = Vec::new();
        for host in &self.hosts {
            let stored = host.oned.provision(host.id, "DEPLOY_ID");
            if stored.is_none_or(|id| id.trim().is_empty()) {
                host.oned.remove(host.id);
                continue;
            }
            answers.push((host.id, "cancel", host.delete()?));
        }
        Ok(answers)
    }
}

/// The answers of the hosts' deploys, which run side by side.
fn deploy_all(hosts: &[Host<'_>], files: &[String]) -> Result<Vec<Answer>> {
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            hosts.iter().zip(files).map(|(host, file)| scope.spawn(|| host.deploy_with(Path::new(file)))).collect();
        let joined = runs.into_iter().map(|run| run.join().ok().context("a thread panicked")?);
        joined.collect()
    })
}
