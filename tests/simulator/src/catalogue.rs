//! What the provider sells: a small believable selection of what Packet sold.

use crate::random::uuid_of;

/// A kind of machine.
#[derive(Debug)]
pub(crate) struct Plan {
    pub slug: &'static str,
    pub class: &'static str,
    /// How many CPUs, and which.
    pub cpus: (u32, &'static str),
    /// As the API words it, such as `8GB`, `1TB`.
    pub memory: &'static str,
    /// Dollars an hour.
    pub price: f64,
}

/// A data centre.
#[derive(Debug)]
pub(crate) struct Facility {
    pub code: &'static str,
    pub name: &'static str,
    pub metro: &'static str,
}

/// A town with data centres.
#[derive(Debug)]
pub(crate) struct Metro {
    pub code: &'static str,
    pub name: &'static str,
    pub country: &'static str,
}

/// What a machine can run.
#[derive(Debug)]
pub(crate) struct OperatingSystem {
    pub slug: &'static str,
    pub name: &'static str,
    pub distro: &'static str,
    pub version: &'static str,
}

pub(crate) const PLANS: &[Plan] = &[
    plan("baremetal_0", "t1.small.x86", (1, "Intel Atom C2550 @ 2.4Ghz"), "8GB", 0.07),
    plan("baremetal_1", "c1.small.x86", (1, "Intel E3-1240 v3"), "32GB", 0.4),
    plan("baremetal_2", "m1.xlarge.x86", (2, "Intel Xeon E5-2650 v4 @2.2GHz"), "256GB", 1.7),
    plan("baremetal_3", "c1.xlarge.x86", (2, "Intel E5-2640 v3"), "128GB", 1.75),
    plan("c1.small.x86", "c1.small.x86", (1, "Intel E3-1240 v5"), "32GB", 0.4),
    plan("c3.small.x86", "c3.small.x86", (1, "Intel Xeon E-2278G @ 3.40GHz"), "32GB", 0.75),
    plan("c3.medium.x86", "c3.medium.x86", (1, "AMD EPYC 7402P 24-Core Processor"), "64GB", 1.5),
    plan("m3.large.x86", "m3.large.x86", (1, "AMD EPYC 7502P 32-Core Processor"), "256GB", 3.1),
    plan("n2.xlarge.x86", "n2.xlarge.x86", (2, "Intel Xeon Gold 5120"), "384GB", 2.25),
    plan("n3.xlarge.opt-m4", "n3.xlarge.x86", (1, "Intel Xeon Gold 6314U"), "1TB", 5.6),
];

pub(crate) const METROS: &[Metro] = &[
    metro("am", "Amsterdam", "NL"),
    metro("da", "Dallas", "US"),
    metro("fr", "Frankfurt", "DE"),
    metro("ny", "New York", "US"),
    metro("sv", "Silicon Valley", "US"),
    metro("ty", "Tokyo", "JP"),
];

pub(crate) const FACILITIES: &[Facility] = &[
    facility("ams1", "Amsterdam, NL", "am"),
    facility("am6", "Amsterdam 6", "am"),
    facility("da11", "Dallas 11", "da"),
    facility("ewr1", "Parsippany, NJ", "ny"),
    facility("fr2", "Frankfurt 2", "fr"),
    facility("ny5", "New York 5", "ny"),
    facility("nrt1", "Tokyo, JP", "ty"),
    facility("sjc1", "Sunnyvale, CA", "sv"),
    facility("sv15", "Silicon Valley 15", "sv"),
];

pub(crate) const OPERATING_SYSTEMS: &[OperatingSystem] = &[
    system("almalinux_9", "AlmaLinux 9", "almalinux", "9"),
    system("centos_7", "CentOS 7", "centos", "7"),
    system("centos_8", "CentOS 8", "centos", "8"),
    system("custom_ipxe", "Custom iPXE", "custom_ipxe", "1"),
    system("debian_10", "Debian 10", "debian", "10"),
    system("debian_12", "Debian 12", "debian", "12"),
    system("rocky_9", "Rocky Linux 9", "rocky", "9"),
    system("ubuntu_18_04", "Ubuntu 18.04 LTS", "ubuntu", "18.04"),
    system("ubuntu_20_04", "Ubuntu 20.04 LTS", "ubuntu", "20.04"),
    system("ubuntu_22_04", "Ubuntu 22.04 LTS", "ubuntu", "22.04"),
];

/// Ids of the servers that the project has reserved; each can be ordered once.
pub(crate) const RESERVATIONS: &[&str] = &["server-a", "server-b"];

/// A row of the catalogue, which orders may name by its word or by its id.
pub(crate) trait Row {
    /// Slug or code.
    fn word(&self) -> &'static str;

    fn id(&self) -> String {
        uuid_of(self.word())
    }
}

impl Row for Plan {
    fn word(&self) -> &'static str {
        self.slug
    }
}

impl Row for Facility {
    fn word(&self) -> &'static str {
        self.code
    }
}

impl Row for Metro {
    fn word(&self) -> &'static str {
        self.code
    }
}

impl Row for OperatingSystem {
    fn word(&self) -> &'static str {
        self.slug
    }
}

/// The row that an order means by its slug, code or UUID.
pub(crate) fn find<T: Row>(rows: &'static [T], name: &str) -> Option<&'static T> {
    // By the word first: ids are made anew for each comparison.
    rows.iter().find(|row| row.word() == name).or_else(|| rows.iter().find(|row| row.id() == name))
}

const fn plan(
    slug: &'static str,
    class: &'static str,
    cpus: (u32, &'static str),
    memory: &'static str,
    price: f64,
) -> Plan {
    Plan { slug, class, cpus, memory, price }
}

const fn metro(code: &'static str, name: &'static str, country: &'static str) -> Metro {
    Metro { code, name, country }
}

const fn facility(code: &'static str, name: &'static str, metro: &'static str) -> Facility {
    Facility { code, name, metro }
}

const fn system(
    slug: &'static str,
    name: &'static str,
    distro: &'static str,
    version: &'static str,
) -> OperatingSystem {
    OperatingSystem { slug, name, distro, version }
}
