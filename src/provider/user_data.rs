//! What a new machine gets as user data, and how an order carries it.

use anyhow::Result;

use crate::opennebula::host::Host;
use crate::opennebula::user_data::{self, UserData};

/// What a new machine gets as user data.
#[derive(Clone, Copy)]
pub struct UserDataForm {
    /// The member of the order that carries it.
    pub field: &'static str,
    /// Whether it is sent in base64.
    pub is_base64: bool,
    /// The most bytes that the provider takes, before they are encoded.
    pub limit: usize,
    /// Makes it of the host's SSH keys and USERDATA.
    ///
    /// # Errors
    /// What is wrong with USERDATA, and the remedy.
    pub compose: fn(&Host) -> Result<Payload>,
}

/// User data, ready to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The bytes; none where there is nothing to say.
    pub data: Vec<u8>,
    /// What the user should know.
    pub warning: Option<String>,
}

impl Payload {
    /// The host's USERDATA as it is.
    pub fn own(host: &Host) -> Self {
        Self { data: host.provision("USERDATA").unwrap_or_default().into(), warning: None }
    }

    /// The host's SSH keys and its own USERDATA `own`, for cloud-init.
    pub fn for_cloud_init(host: &Host, own: Option<&str>) -> Self {
        let UserData { text, warning } = user_data::compose(&host.ssh_keys(), own);
        let data = text.map(|text| text.expose().as_bytes().to_vec());
        Self { data: data.unwrap_or_default(), warning }
    }
}

impl UserDataForm {
    /// Plain text for cloud-init, at `field`.
    pub const fn plain(field: &'static str, limit: usize) -> Self {
        Self {
            field,
            is_base64: false,
            limit,
            compose: |host| Ok(Payload::for_cloud_init(host, host.provision("USERDATA"))),
        }
    }

    /// USERDATA as it is, at `field`: the SSH keys go otherwise.
    pub const fn without_keys(field: &'static str) -> Self {
        Self { field, is_base64: false, limit: usize::MAX, compose: |host| Ok(Payload::own(host)) }
    }

    /// The same in base64.
    pub const fn base64(self) -> Self {
        Self { is_base64: true, ..self }
    }

    /// None at all.
    pub const NONE: Self = Self { field: "", is_base64: false, limit: 0, compose: |_| Ok(Payload::default()) };
}
