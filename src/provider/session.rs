//! A provider with the credentials of one account, as long as a process needs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::account::Account;
use super::auth::{Auth, Endpoint, Grant};
use super::explanation::Explain;
use super::machine::{Machine, MachineId};
use super::spec::Spec;
use crate::http::client::Http;
use crate::http::url::is_loopback;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::system::clock::Clock;

/// A provider with the credentials of one account. It keeps connections, and what was granted.
pub struct Session {
    pub(super) spec: &'static Spec,
    pub(super) explain: Explain,
    pub(super) http: Http,
    pub(super) endpoint: Endpoint,
    pub(super) account: Account,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grant: Mutex<Option<Grant>>,
    pub(super) memory: Mutex<BTreeMap<MachineId, Machine>>,
    /// How often it was [aborted](Self::abort).
    aborts: Mutex<u32>,
    aborted: Condvar,
}

impl Session {
    /// A session of the provider that `spec` describes; `explain` is its reading of errors, and `private` are texts
    /// that must not be told though it may quote them.
    pub fn new(
        spec: &'static Spec,
        explain: Explain,
        endpoint: Endpoint,
        account: Account,
        clock: Arc<dyn Clock>,
        mut private: Vec<Secret>,
        report: Report,
    ) -> Self {
        let secrets = spec.secrets().into_iter();
        private.extend(secrets.filter_map(|name| account.secret(name).cloned()));
        for name in spec.names(|one| one.is_address) {
            let url = account.get(name);
            if url.starts_with("http://") && !is_loopback(url) {
                let is_signed = matches!(endpoint.auth, Auth::None);
                let has_secret = spec.secrets().iter().any(|name| !account.get(name).is_empty());
                let what = if has_secret && !is_signed { "the token" } else { "what is ordered" };
                report.warn(format_args!("{name} is http: {what} travels in clear; use https"));
            }
        }
        Self {
            spec,
            explain,
            http: Http::new(&private, report),
            endpoint,
            account,
            clock,
            grant: Mutex::default(),
            memory: Mutex::default(),
            aborts: Mutex::default(),
            aborted: Condvar::new(),
        }
    }

    /// How long the provider's rate limit asks us to rest.
    pub fn rest(&self) -> Duration {
        self.http.rest()
    }

    /// Ends the requests and the rests under way; later ones work.
    pub fn abort(&self) {
        *self.lock_aborts() += 1;
        self.aborted.notify_all();
        self.http.abort();
    }

    /// How often that was done.
    pub(super) fn aborts(&self) -> u32 {
        *self.lock_aborts()
    }

    /// Lets `time` pass; false where it was aborted since its count of aborts was `before`.
    pub(super) fn sleep(&self, time: Duration, before: u32) -> bool {
        let slept = self.aborted.wait_timeout_while(self.lock_aborts(), time, |aborts| *aborts == before);
        let (aborts, _) = slept.unwrap_or_else(PoisonError::into_inner);
        *aborts == before
    }

    fn lock_aborts(&self) -> MutexGuard<'_, u32> {
        self.aborts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grant(&self) -> MutexGuard<'_, Option<Grant>> {
        self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
