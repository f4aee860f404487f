//! Configuration files of the testbed's access points.

use crate::model::ParticipantId;
use toml::Value;

/// The federation of every testbed.
pub const FEDERATION: &str = "urn:fdc:digg.se:edelivery:federation:test";

/// The configuration of an access point with a message service. Paths are relative to its folder. Ports: AS4, API, console.
pub(super) fn access_point([as4, api, console]: [u16; 3], zone: &str, dns: u16) -> String {
    format!(
        r#"# An access point with a message service, in a testbed on this machine. `sluss testbed participant` adds to it.
roles = ["access-point", "message-service"]
data_dir = "data"

[access_point]
key_file = "key.pem"
certificate_file = "cert.pem"

# Plain HTTP: this machine only.
[listen]
as4 = "127.0.0.1:{as4}"
api = "127.0.0.1:{api}"
console = "127.0.0.1:{console}"

# Access points of a testbed come and go: they are tried again soon.
[retry]
strategy = "exponential"
longest_pause_seconds = 30

[breaker]
first_pause_seconds = 5
longest_pause_seconds = 10

[federation]
id = "{FEDERATION}"
environment = "testbed"
# Revocation is not checked yet, so there is no other value that starts, and no other environment.
revocation = "unchecked"
access_point_anchor_files = ["../../ca/ap.cert.pem"]
smp_anchor_files = ["../../ca/smp-root.cert.pem"]
participant_anchor_files = ["../../ca/o2o.cert.pem"]

[discovery]
zone = {}
dns_servers = ["127.0.0.1:{dns}"]
smp_plain_http = true
# Registrations and faults count at once.
cache_seconds = 0
"#,
        quoted(zone)
    )
}

/// One participant, to be put at the end of a configuration.
pub(super) fn participant(id: &ParticipantId, functional_addresses: &[String]) -> String {
    let default = [format!("sdk:inkorg:{id}")];
    let addresses = if functional_addresses.is_empty() { &default } else { functional_addresses };
    let addresses = Value::Array(addresses.iter().map(|address| Value::String(address.clone())).collect());
    let file = |name: &str| quoted(&format!("../../participants/{}/{name}", id.local()));
    format!(
        "\n[[participant]]\nid = {}\nfunctional_addresses = {addresses}\nkey_file = {}\ncertificate_file = {}\n",
        quoted(id.as_str()),
        file("key.pem"),
        file("cert.pem")
    )
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
