//! The attributes of OpenNebula's own ec2 driver, and what `RunInstances` takes of them.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;

use super::super::kit::*;

/// Every attribute.
#[rustfmt::skip]
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::credential("EC2_ACCESS", "the id of the access key").required(),
    Attribute::credential("EC2_SECRET", "the access key").required(),
    Attribute::credential("EC2_SESSION_TOKEN", "the token of a session from STS"),
    Attribute::new("REGION_NAME", "the region").form(Form::Own("region", region)).account().required().place(),
    Attribute::address("EC2_API_URL", "where the API is, if it is not AWS's own"),
    Attribute::sent("AMI", "ImageId", Form::Text, "the image").required(),
    Attribute::sent("INSTANCETYPE", "InstanceType", Form::Text, "the kind of instance, such as c5.metal").required().plan(),
    Attribute::sent("KEYPAIR", "KeyName", Form::Text, "a key pair of the account"),
    Attribute::sent("SUBNETID", "SubnetId", Form::Text, "the subnet"),
    Attribute::sent("SECURITYGROUPIDS", "SecurityGroupId", Form::List, "ids of security groups"),
    Attribute::sent("SECURITYGROUPS", "SecurityGroup", Form::List, "names of security groups"),
    Attribute::sent("AVAILABILITYZONE", "Placement.AvailabilityZone", Form::Text, "the availability zone"),
    Attribute::sent("TENANCY", "Placement.Tenancy", Form::Text, "default, dedicated or host"),
    Attribute::sent("PLACEMENTGROUP", "Placement.GroupName", Form::Text, "the placement group"),
    Attribute::sent("PRIVATEIP", "PrivateIpAddress", Form::Ipv4, "the private address in the subnet"),
    Attribute::sent("BLOCKDEVICEMAPPING", "BlockDeviceMapping", Form::Own("DEVICE=SNAPSHOT:SIZE:DELETE:TYPE:IOPS …", devices), "block devices, with blanks between them"),
    Attribute::sent("EBS_OPTIMIZED", "EbsOptimized", Form::Flag, "optimized for EBS"),
    Attribute::sent("RAMDISK", "RamdiskId", Form::Text, "the RAM disk"),
    Attribute::sent("AKI", "KernelId", Form::Text, "the kernel"),
    Attribute::sent("IMDSV2_REQUIRED", "MetadataOptions.HttpTokens", Form::Own("yes or no", tokens), "the metadata service wants tokens"),
    Attribute::new("HOSTNAME", "the tag Name").tag("Name"),
    Attribute::new("TAGS", "tags beside those of OpenNebula").form(Form::Own("key=value, with commas", tags)),
    Attribute::new("ELASTICIP", "the elastic address").form(Form::Own("IPv4 address or eipalloc-…", elastic)),
    Attribute::new("CLIENTTOKEN", "what the idempotency key is made of, beside the host"),
    Attribute::new("CLOUD_INIT", "yes: the SSH key comes as cloud-config, beside USERDATA"),
];

fn region(written: &str) -> Result<Value> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !written.bytes().all(plain) {
        bail!(Mistake::new(format!("is {written:?}, which is no region"), "write one such as us-east-1"));
    }
    Ok(json!(written))
}

fn tags(written: &str) -> Result<Value> {
    for tag in words(written) {
        let key = tag.split('=').next().unwrap_or_default().trim();
        if key.is_empty() || key.starts_with("aws:") {
            bail!(Mistake::new(format!("has {tag:?}"), "write key=value, with no key that begins with aws:"));
        }
    }
    Ok(Value::Null)
}

fn elastic(written: &str) -> Result<Value> {
    let is_id = written.strip_prefix("eipalloc-").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_id && written.parse::<Ipv4Addr>().is_err() {
        bail!(Mistake::new(
            format!("is {written:?}"),
            "write an IPv4 address or an id such as eipalloc-0123456789abcdef0"
        ));
    }
    Ok(Value::Null)
}

fn tokens(written: &str) -> Result<Value> {
    Ok(match yes_or_no(written)? {
        true => json!("required"),
        false => Value::Null,
    })
}

/// Block devices as the stock driver has them: blanks between `DEVICE=SNAPSHOT:SIZE:DELETE:TYPE:IOPS`, where each
/// part may be empty or missing, and `DEVICE=none`.
fn devices(written: &str) -> Result<Value> {
    const NAMES: [&str; 5] = ["SnapshotId", "VolumeSize", "DeleteOnTermination", "VolumeType", "Iops"];
    let mut devices = Vec::new();
    for word in written.split_whitespace() {
        let problem = || {
            Mistake::new(format!("has {word:?}"), "write it as /dev/sda1=snapshot:gigabytes:true:type:iops, or =none")
        };
        let (device, ebs) = word.split_once('=').ok_or_else(problem)?;
        if ebs == "none" {
            devices.push(json!({ "DeviceName": device, "NoDevice": "" }));
            continue;
        }
        let parts: Vec<&str> = ebs.split(':').collect();
        let is_right = |(at, part): (usize, &&str)| match at {
            _ if part.is_empty() => true,
            1 | 4 => part.parse::<u32>().is_ok(),
            2 => matches!(*part, "true" | "false"),
            _ => true,
        };
        if device.is_empty() || parts.len() > NAMES.len() || !parts.iter().enumerate().all(is_right) {
            bail!(problem());
        }
        let given = NAMES.iter().zip(parts).filter(|(_, part)| !part.is_empty());
        let ebs: Map<String, Value> = given.map(|(name, part)| ((*name).to_owned(), json!(part))).collect();
        devices.push(json!({ "DeviceName": device, "Ebs": ebs }));
    }
    Ok(Value::Array(devices))
}

/// What the instance gets as user data.
///
/// USERDATA is base64, as the stock driver has it, or plain. Without CLOUD_INIT it is sent as it is, and without
/// USERDATA the host's context is, as the packages that OpenNebula has for its images read it. With CLOUD_INIT the
/// SSH key comes as cloud-config, beside the USERDATA.
pub fn user_data(host: &Host) -> Result<Payload> {
    let attribute = |name: &str| host.provision(name).unwrap_or_default();
    let by_cloud_init = yes_or_no(attribute("CLOUD_INIT").trim()).unwrap_or_default();
    let own = attribute("USERDATA");
    let lines: String = own.lines().map(str::trim).collect();
    let own = STANDARD.decode(lines).unwrap_or_else(|_| own.as_bytes().to_vec());
    Ok(match String::from_utf8(own) {
        Ok(own) if by_cloud_init => Payload::for_cloud_init(host, Some(&own)),
        Ok(own) if own.trim().is_empty() => Payload { data: context(host).into_bytes(), warning: None },
        Ok(own) => Payload { data: own.into_bytes(), warning: None },
        Err(binary) => Payload {
            data: binary.into_bytes(),
            warning: by_cloud_init.then(|| {
                "USERDATA is no text, so the SSH key of the front-end is not added: see that it gets onto the host"
                    .to_owned()
            }),
        },
    })
}

/// The host's section CONTEXT as OpenNebula's templates are written.
fn context(host: &Host) -> String {
    let section = host.sections.get("CONTEXT").into_iter().flatten();
    let lines: Vec<String> =
        section.map(|(name, value)| format!("{name}=\"{}\"", value.expose().replace('"', "\\\""))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(provision: &str) -> Result<Host> {
        let context = "<CONTEXT><SSH_PUBLIC_KEY>ssh-rsa A</SSH_PUBLIC_KEY></CONTEXT>";
        let text = format!(
            "<HOST><ID>7</ID><TEMPLATE>{context}<PROVISION><PROVISION_ID>p</PROVISION_ID>{provision}</PROVISION></TEMPLATE></HOST>"
        );
        Ok(Host::parse(&text)?.0)
    }

    fn sent(provision: &str) -> Result<String> {
        Ok(String::from_utf8(user_data(&host(provision)?)?.data)?)
    }

    #[test]
    fn user_data_is_sent_as_the_stock_driver_sends_it() -> Result<()> {
        let plain = "<USERDATA>#!/bin/sh\ntrue</USERDATA>";
        assert_eq!(sent(plain)?, "#!/bin/sh\ntrue");
        let base64 = "<USERDATA>IyEvYmlu\nL3NoCnRydWU=\n</USERDATA>";
        assert_eq!(sent(base64)?, "#!/bin/sh\ntrue");
        assert_eq!(sent("")?, "SSH_PUBLIC_KEY=\"ssh-rsa A\"");
        Ok(())
    }

    #[test]
    fn by_cloud_init_the_key_comes_with_the_user_data() -> Result<()> {
        let yes = "<CLOUD_INIT>Yes</CLOUD_INIT>";
        assert!(sent(yes)?.starts_with("#cloud-config\nssh_authorized_keys:\n- \"ssh-rsa A\""));
        let both = sent(&format!("{yes}<USERDATA>IyEvYmluL3NoCnRydWU=</USERDATA>"))?;
        assert!(both.contains("\n#!/bin/sh\ntrue\n") && both.contains("ssh-rsa A"), "{both}");
        // Compressed, it takes no second part.
        let zipped = host(&format!("{yes}<USERDATA>H4sIAAAAAAAA/w==</USERDATA>"))?;
        let Payload { data, warning } = user_data(&zipped)?;
        assert!(data.starts_with(&[0x1f, 0x8b]) && warning.is_some());
        Ok(())
    }
}
