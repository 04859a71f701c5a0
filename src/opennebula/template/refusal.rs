//! Why oneprovision would refuse a template (`check_config`), which `oneprovision validate` tells one at a time.

use super::attributes::said;
use super::extends::Members;
use crate::report::finding::Finding;

fn refusal(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::bad("template", format!("oneprovision refuses it: {}", what.into()), remedy)
}

/// Why oneprovision would refuse the whole template.
pub(super) fn of_template(template: &Members) -> Vec<Finding> {
    let value =
        |name: &str| template.iter().find(|(own, _)| own == name).map_or(String::new(), |(_, value)| said(value));
    let mut findings = Vec::new();
    if value("name").is_empty() {
        findings.push(refusal("the template has no name", "add name, the provision's"));
    }
    if !matches!(value("version").as_str(), "" | "1") {
        findings.push(refusal("the template's version is not 1", "take version out"));
    }
    findings
}

/// Why oneprovision would refuse a host: it looks before it merges the defaults.
pub(super) fn of_host(host: &Members, provision: &Members) -> Vec<Finding> {
    let has = |members: &Members, wanted: &str| members.iter().any(|(name, value)| name == wanted && !value.is_null());
    let mut findings = Vec::new();
    for name in ["im_mad", "vm_mad"] {
        if !has(host, name) {
            findings.push(refusal(
                format!("the host has no {name}"),
                format!("add {name} to the host, such as {name}: kvm"),
            ));
        }
    }
    if !has(provision, "hostname") {
        let remedy = "add hostname to it, also where the driver reads none";
        findings.push(refusal("the host's own section provision has no hostname", remedy));
    }
    if has(host, "count") {
        let what = "count has no meaning before OpenNebula 6, and one host is made";
        findings.push(Finding::doubtful("template", what, "write each host"));
    }
    findings
}
