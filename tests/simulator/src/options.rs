//! What a simulator is started with.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::millis;

/// How the simulated provider and oned behave. The default is fast, for tests: a machine is active within 35 ms.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long an order stays `queued`.
    pub queued: Duration,
    /// How long a machine is `provisioning`, drawn for each.
    pub provisioning: RangeInclusive<Duration>,
    /// How long `powering_on` and `powering_off` last.
    pub powering: Duration,
    /// How long a machine stays `active` after `reboot` or `power_off` was accepted, before it goes down.
    pub reboot_lag: Duration,
    /// Whether a reboot is never seen: the machine stays `active` throughout.
    pub silent_reboot: bool,
    /// How long a deleted machine is `deprovisioning`, before it is gone (404).
    pub deprovisioning: Duration,
    /// How long a new machine is missing from listings. It can be read by its id at once.
    pub listing_lag: Duration,
    /// Whether DELETE answers 422 "Cannot delete a device while it is provisioning" until the machine is active.
    pub refuse_delete_while_provisioning: bool,
    /// How long after its order the root password of an active machine can be read (Packet: 24 hours).
    pub root_password: Duration,
    /// Above this many requests the API answers 429.
    pub rate_limit: Option<RateLimit>,
    /// Whether `provisioning_percentage` is reported while provisioning. It is null otherwise.
    pub progress: bool,
    /// Codes of facilities without machines to order.
    pub sold_out: Vec<String>,
    /// Which OpenNebula oned and oneprovision are of.
    pub opennebula: Version,
    /// Whether the secrets of a host are encrypted, as they are unless oned.conf was changed, or somebody wrote them with
    /// `onehost update` into a 5.8.
    pub encryption: bool,
    /// How many requests the log keeps; the oldest are forgotten first.
    pub log: usize,
    /// Everything random is drawn from it.
    pub seed: u64,
    /// Serves the API over TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Port of the API on 127.0.0.1; 0 takes a free one.
    pub api_port: u16,
    /// Port of oned on 127.0.0.1; 0 takes a free one.
    pub oned_port: u16,
}

impl Default for Options {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Options {
            queued: ms(5),
            provisioning: ms(10)..=ms(30),
            powering: ms(15),
            reboot_lag: ms(15),
            silent_reboot: false,
            deprovisioning: ms(10),
            listing_lag: Duration::ZERO,
            refuse_delete_while_provisioning: false,
            root_password: Duration::from_secs(24 * 3600),
            rate_limit: None,
            progress: false,
            sold_out: Vec::new(),
            opennebula: Version::V5_12,
            encryption: true,
            log: 100_000,
            seed: 1,
            tls: None,
            api_port: 0,
            oned_port: 0,
        }
    }
}

impl Options {
    /// Delays as the real provider has them: minutes to provision, seconds to list.
    pub fn realistic() -> Self {
        let s = Duration::from_secs;
        Options {
            queued: s(5),
            provisioning: s(120)..=s(300),
            powering: s(20),
            reboot_lag: s(10),
            deprovisioning: s(30),
            listing_lag: s(3),
            refuse_delete_while_provisioning: true,
            progress: true,
            ..Options::default()
        }
    }

    /// The same, with every delay of the machines divided by `speed`.
    #[must_use]
    pub fn faster(mut self, speed: f64) -> Self {
        let scale = |delay: Duration| delay.div_f64(speed);
        self.queued = scale(self.queued);
        self.provisioning = scale(*self.provisioning.start())..=scale(*self.provisioning.end());
        self.powering = scale(self.powering);
        self.reboot_lag = scale(self.reboot_lag);
        self.deprovisioning = scale(self.deprovisioning);
        self.listing_lag = scale(self.listing_lag);
        self
    }
}

/// A version of OpenNebula, as far as a driver meets the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// oneprovision encrypts, and oned does not decrypt.
    V5_8,
    /// oned encrypts and decrypts; oneprovision still reads addresses as 5.8 does.
    V5_10,
    /// The recorded one.
    V5_12,
}

impl Version {
    /// What `one.system.version` says.
    pub fn text(self) -> &'static str {
        match self {
            Version::V5_8 => "5.8.5",
            Version::V5_10 => "5.10.5",
            Version::V5_12 => "5.12.0.4",
        }
    }
}

/// How many requests the API takes before it answers 429.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests in each window, of all callers together.
    pub requests: u32,
    /// Length of a window.
    #[serde(rename = "window_ms", with = "millis", default = "RateLimit::second")]
    pub window: Duration,
    /// Whether Retry-After is a date. It is a number of seconds otherwise. Both are rounded up: HTTP knows no
    /// fractions.
    #[serde(default)]
    pub date: bool,
}

impl RateLimit {
    /// So many requests a second.
    pub fn per_second(requests: u32) -> Self {
        RateLimit { requests, window: Self::second(), date: false }
    }

    fn second() -> Duration {
        Duration::from_secs(1)
    }
}
