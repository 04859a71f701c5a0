//! oned, and what it says of a host.
//!
//! The token in a deployment file is encrypted; only `one.host.info` with `decrypt` gives the clear one. oned 5.8
//! ignores that parameter: there oneprovision has encrypted the token, see [`super::cipher`]. The exchanges were
//! recorded from running ones, see `tests/fixtures/opennebula-5.12` and `-5.8`.

use std::io::BufRead;

use anyhow::{Context as _, Result};

use crate::opennebula::cipher::{self, Key};
pub use crate::opennebula::error::OnedError;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::rpc::{CONFIG, Rpc};
use crate::opennebula::xmlrpc::Parameter;
use crate::report::finding::Mistake;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::system::environment::Environment;
use crate::system::interrupt::Interrupt;
use crate::wire::xml;

/// The largest host that is read: the largest seen had 20 KB.
pub(super) const HOST_LIMIT: u64 = 8 << 20;
/// The largest configuration that is read: one has some 10 KB.
const CONFIG_LIMIT: u64 = 8 << 20;
/// The largest pool that is read: a host has 3 to 20 KB in it.
const POOL_LIMIT: u64 = 256 << 20;

/// What oneprovision 5.8 encrypts, and nothing else.
const SEALED: [&str; 3] = ["PACKET_TOKEN", "EC2_ACCESS", "EC2_SECRET"];
/// The first version whose oned decrypts.
const DECRYPTS: (u32, u32) = (5, 10);

/// Which host is meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The host with this id.
    Id(HostId),
    /// The host of this name; costs a look at the whole pool.
    Name(&'a str),
}

/// The front-end's daemon.
pub struct Oned {
    pub(super) rpc: Rpc,
}

impl Oned {
    /// oned as the environment and the user's files tell where it is.
    ///
    /// # Errors
    /// There is no session, or the endpoint is no address; nothing was sent.
    pub fn open(environment: &Environment, interrupt: &Interrupt, report: Report) -> Result<Self> {
        Ok(Self { rpc: Rpc::open(environment, interrupt, report)? })
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        self.rpc.endpoint()
    }

    /// The host, its secrets decrypted, whichever version of OpenNebula encrypted them.
    ///
    /// # Errors
    /// oned cannot be asked, denies, has no such host, or does not answer in XML-RPC.
    pub fn host(&self, which: Which<'_>) -> Result<Host, OnedError> {
        let id = match which {
            Which::Id(id) => id,
            Which::Name(name) => self.id_of(name)?,
        };
        let parameters = [Parameter::Number(id.0), Parameter::Flag(true)];
        let xml = self.rpc.call("one.host.info", &parameters, HOST_LIMIT)?;
        let (mut host, _) = Host::parse(&xml).with_context(|| self.strange_host(id))?;
        self.unseal(&mut host)?;
        Ok(host)
    }

    /// The host as everybody is shown it who may see it: its secrets encrypted, as far as oned.conf has them so.
    ///
    /// # Errors
    /// As [`Self::host`].
    pub fn host_as_shown(&self, id: HostId) -> Result<Host, OnedError> {
        let xml = self.encrypted_host(id, self.rpc.deadline())?;
        let (host, _) = Host::parse(&xml).with_context(|| self.strange_host(id))?;
        Ok(host)
    }

    /// Decrypts what oneprovision 5.8 encrypted. Where nothing looks like it, nobody is asked.
    fn unseal(&self, host: &mut Host) -> Result<(), OnedError> {
        let is_sealed = |name: &&str| host.provision(name).is_some_and(cipher::is_encrypted);
        let sealed: Vec<&str> = SEALED.into_iter().filter(is_sealed).collect();
        if sealed.is_empty() || !self.is_older_than(DECRYPTS)? {
            return Ok(());
        }
        let key = Key::new(&self.one_key()?)?;
        for name in sealed {
            // One that was written with `onehost update` is clear, whatever it looks like.
            if let Some(clear) = host.provision(name).and_then(|text| key.decrypt(text)) {
                self.rpc.conceal(&clear);
                host.set_provision(name, clear);
            }
        }
        Ok(())
    }

    fn is_older_than(&self, version: (u32, u32)) -> Result<bool, OnedError> {
        let text = self.rpc.call("one.system.version", &[], CONFIG_LIMIT)?;
        let mut numbers = text.trim().split('.').map(|number| number.parse::<u32>().ok());
        let own = numbers.next().flatten().zip(numbers.next().flatten());
        Ok(own.is_some_and(|own| own < version))
    }

    /// The key of a oned 5.8.
    fn one_key(&self) -> Result<Secret, OnedError> {
        let xml = self.rpc.call(CONFIG, &[], CONFIG_LIMIT)?;
        let mut key = None;
        let read = xml::leaves(&xml, |path, value| {
            if path == ["TEMPLATE", "ONE_KEY"] {
                key = Some(Secret::new(value));
            }
            Ok(())
        });
        let strange = || {
            Mistake::new(
                format!(
                    "oned at {} tells no ONE_KEY, which the tokens of OpenNebula 5.8 are encrypted with",
                    self.endpoint()
                ),
                "see /var/lib/one/.one/one_key",
            )
        };
        read.with_context(strange)?;
        let key = key.with_context(strange)?;
        self.rpc.conceal(&key);
        Ok(key)
    }

    /// Every host of the pool. Secrets stay encrypted.
    ///
    /// # Errors
    /// oned cannot be asked, denies, or does not answer in XML-RPC.
    pub fn hosts(&self) -> Result<Vec<Host>, OnedError> {
        self.pool(Host::parse_pool)
    }

    /// What `reading` reads of the pool.
    fn pool<T>(&self, reading: impl FnMut(&mut dyn BufRead) -> Result<T>) -> Result<T, OnedError> {
        let read = self.rpc.stream("one.hostpool.info", &[], POOL_LIMIT, reading)?;
        Ok(read.with_context(|| self.strange_pool())?)
    }

    pub(super) fn strange_host(&self, id: HostId) -> Mistake {
        Mistake::new(
            format!("oned at {} describes host {id} in a form that cannot be read", self.endpoint()),
            "is it an OpenNebula 5.8 to 5.12?",
        )
    }

    fn strange_pool(&self) -> Mistake {
        Mistake::new(
            format!("oned at {} lists its hosts in a form that cannot be read", self.endpoint()),
            "is it an OpenNebula 5.8 to 5.12?",
        )
    }

    /// The id of the host of this name.
    fn id_of(&self, name: &str) -> Result<HostId, OnedError> {
        let found = self.pool(|pool| {
            let mut id = None;
            let mut found = Vec::new();
            xml::leaves_of(pool, |path, value| {
                if path == ["HOST_POOL", "HOST", "ID"] {
                    id = HostId::parse(value.trim());
                } else if path == ["HOST_POOL", "HOST", "NAME"] && value == name {
                    found.extend(id);
                }
                Ok(())
            })?;
            Ok(found)
        })?;
        let (what, remedy) = match found[..] {
            [id] => return Ok(id),
            [] => (format!("oned has no host named {name}"), "see `onehost list`"),
            _ => (format!("oned has {} hosts named {name}", found.len()), "give the host id too"),
        };
        Err(OnedError::NoSuchHost(Mistake::new(what, remedy)))
    }
}
