//! BDXL 1.6: from a participant to the address of its SMP, by one U-NAPTR look-up (SML-1.1.p1).
//!
//! The packets are hickory's; the exchange is ours: a random id and port, an answer only counts when
//! it repeats the question, each server is asked a bounded number of times for a bounded time, and
//! "not registered" (the name or the record does not exist) is never mixed up with "not reachable".

use crate::limits;
use crate::model::ParticipantId;
use crate::model::id::PARTICIPANT_SCHEME;
use crate::pki::digest_sha256;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::NAPTR;
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The service field of an SMP's NAPTR record (BDXL; compared without regard to case).
pub const SERVICE: &str = "Meta:SMP";

/// Why a look-up gave no SMP address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BdxlError {
    /// The name does not exist, or has no NAPTR record of the SMP service: the participant is not registered (AP-3.2.4.a).
    #[error("{name}: {what}")]
    NotRegistered {
        /// The DNS name asked for.
        name: String,
        /// What the answer was.
        what: String,
    },
    /// There is a record, and it does not lead to an SMP.
    #[error("{name}: found {found}, expected {expected}")]
    Unusable {
        /// The DNS name asked for.
        name: String,
        /// The record.
        found: String,
        /// What BDXL has there.
        expected: &'static str,
    },
    /// No server gave an answer that counts (AP-3.2.3.a).
    #[error("{name}: {what}")]
    Unreachable {
        /// The DNS name asked for.
        name: String,
        /// Each server and what happened.
        what: String,
    },
    /// The configured zone gives no DNS name.
    #[error("{name} is no DNS name")]
    Name {
        /// The name that was built.
        name: String,
    },
}

/// One question to a DNS server and what came back, for the discovery trace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Asked {
    /// The name asked for, type NAPTR.
    pub name: String,
    /// The server.
    pub server: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// The response code (`NOERROR`, `NXDOMAIN` …), or why there was no answer.
    pub outcome: String,
    /// NAPTR and CNAME records of the answer, as zone files have them.
    pub records: Vec<String>,
}

/// The DNS name of a participant: base32 of the SHA-256 of its lower-cased value without padding, scheme, zone
/// (BDXL; C-54: not the "BASE64" of SML-2.4). Without a closing dot.
pub fn owner_name(participant: &ParticipantId, zone: &str) -> String {
    let label = base32(&digest_sha256(participant.folded().as_bytes()));
    format!("{label}.{PARTICIPANT_SCHEME}.{}", zone.trim_matches('.'))
}

/// RFC 4648 base32 in lower case, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &byte in bytes {
        buffer = buffer << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits)) as usize & 31]));
    }
    text
}

/// Where one NAPTR record leads.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Next {
    /// The base address of an SMP (flag U).
    Address(String),
    /// Another name to ask (no flag).
    Name(Name),
}

/// A NAPTR record as text fields, in the order of RFC 3403.
#[derive(Clone, Debug)]
struct Record {
    order: u16,
    preference: u16,
    flags: String,
    service: String,
    regexp: String,
    replacement: Name,
}

impl From<&NAPTR> for Record {
    fn from(naptr: &NAPTR) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.clone(),
        }
    }
}

impl Record {
    /// Whether this is a rule of the SMP service that a BDXL client follows: terminal with `U`, or not terminal.
    fn is_for_us(&self) -> bool {
        self.service.eq_ignore_ascii_case(SERVICE) && (self.flags.is_empty() || self.flags.eq_ignore_ascii_case("u"))
    }

    fn next(&self) -> Result<Next, &'static str> {
        if self.flags.is_empty() {
            if self.replacement.is_root() {
                return Err("a non-terminal record with the next name as its replacement");
            }
            return Ok(Next::Name(self.replacement.clone()));
        }
        address(&self.regexp).map(Next::Address)
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { order, preference, flags, service, regexp, replacement } = self;
        write!(f, "NAPTR {order} {preference} {flags:?} {service:?} {regexp:?} {replacement}")
    }
}

/// The address in a U-NAPTR substitution `!.*!ADDRESS!` or `!^.*$!ADDRESS!`, for any delimiter. The
/// expression must match everything and the replacement must not refer back, so nothing is ever matched.
fn address(regexp: &str) -> Result<String, &'static str> {
    const FORM: &str = "a substitution of the form !.*!ADDRESS! or !^.*$!ADDRESS!";
    let delimiter = regexp.chars().next().ok_or(FORM)?;
    if delimiter.is_ascii_alphanumeric() || delimiter == '\\' {
        return Err(FORM);
    }
    let fields: Vec<&str> = regexp.split(delimiter).collect();
    let ["", expression, replacement, flags] = fields[..] else { return Err(FORM) };
    if !matches!(expression, ".*" | "^.*$") || !matches!(flags, "" | "i") {
        return Err(FORM);
    }
    if replacement.contains('\\') {
        return Err("a replacement without back-references");
    }
    is_base_address(replacement)
        .then(|| replacement.to_owned())
        .ok_or("an absolute http or https address without query and fragment")
}

fn is_base_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && !text.contains(['?', '#'])
}

/// Asks DNS servers.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The servers, in the order in which they are asked: resolvers, or the zone's own servers.
    pub servers: Vec<SocketAddr>,
}

/// What a server said about one name.
enum Answer {
    /// NAPTR records at the end of the CNAME chain.
    Records(Vec<Record>),
    /// A CNAME whose target the answer says nothing about.
    Alias(Name),
    /// The name does not exist (true) or has no NAPTR record (false).
    Nothing(bool),
}

impl Resolver {
    /// The base address of the participant's SMP. Every question goes to `asked`.
    ///
    /// # Errors
    ///
    /// [`BdxlError`]; only `Unreachable` may pass by itself.
    pub async fn smp_address(
        &self,
        participant: &ParticipantId,
        zone: &str,
        asked: &mut Vec<Asked>,
    ) -> Result<String, BdxlError> {
        let owner = owner_name(participant, zone);
        let mut name = Name::from_ascii(format!("{owner}.")).map_err(|_| BdxlError::Name { name: owner.clone() })?;
        for _ in 0..=limits::DNS_STEPS_MAX {
            name = match self.ask(&name, asked).await? {
                Answer::Alias(target) => target,
                Answer::Nothing(no_such_name) => return Err(not_registered(&name, no_such_name)),
                Answer::Records(records) => match follow(&name, records)? {
                    Next::Address(address) => return Ok(address),
                    Next::Name(next) => next,
                },
            };
        }
        Err(BdxlError::Unusable {
            name: owner,
            found: format!("more than {} steps from name to name", limits::DNS_STEPS_MAX),
            expected: "a record with flag U",
        })
    }

    async fn ask(&self, name: &Name, asked: &mut Vec<Asked>) -> Result<Answer, BdxlError> {
        let mut failures = Vec::new();
        for server in self.servers.iter().cycle().take(self.servers.len() * limits::DNS_TRIES_MAX) {
            let (transport, outcome) = exchange(*server, name).await;
            let mut entry =
                Asked { name: text(name), server: *server, transport, outcome: String::new(), records: Vec::new() };
            match outcome.and_then(|message| read(&message, name, &mut entry)) {
                Ok(answer) => {
                    asked.push(entry);
                    return Ok(answer);
                }
                Err(what) => {
                    failures.push(format!("{server} {what}"));
                    entry.outcome = what;
                    asked.push(entry);
                }
            }
        }
        let what = if failures.is_empty() { "no DNS server is configured".into() } else { failures.join("; ") };
        Err(BdxlError::Unreachable { name: text(name), what })
    }
}

fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn not_registered(name: &Name, no_such_name: bool) -> BdxlError {
    let what = if no_such_name { "the name does not exist (NXDOMAIN)" } else { "the name has no NAPTR record" };
    BdxlError::NotRegistered { name: text(name), what: what.into() }
}

/// The first rule of the SMP service, by order and preference (RFC 3403, 4.1).
fn follow(name: &Name, mut records: Vec<Record>) -> Result<Next, BdxlError> {
    records.sort_by_key(|record| (record.order, record.preference));
    let Some(record) = records.iter().find(|record| record.is_for_us()) else {
        return Err(BdxlError::NotRegistered {
            name: text(name),
            what: format!("no NAPTR record has the service {SERVICE} and the flag U"),
        });
    };
    record.next().map_err(|expected| BdxlError::Unusable { name: text(name), found: record.to_string(), expected })
}

/// Reads an answer whose question was compared already. An error is one that another server or try may not have.
fn read(message: &Message, name: &Name, entry: &mut Asked) -> Result<Answer, String> {
    let code = message.metadata.response_code;
    entry.outcome = match code {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        other => return Err(format!("answered {other}")),
    };
    let mut at = name.clone();
    for _ in 0..=limits::DNS_STEPS_MAX {
        let here = || message.answers.iter().filter(|record| record.name == at && record.dns_class == DNSClass::IN);
        let alias = here().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        });
        if let Some(target) = alias {
            entry.records.push(format!("CNAME {target}"));
            at = target;
            continue;
        }
        let records: Vec<Record> = here()
            .filter_map(|record| match &record.data {
                RData::NAPTR(naptr) => Some(Record::from(naptr)),
                _ => None,
            })
            .collect();
        entry.records.extend(records.iter().map(ToString::to_string));
        return Ok(match (records.is_empty(), code) {
            (false, _) => Answer::Records(records),
            (true, ResponseCode::NXDomain) => Answer::Nothing(true),
            (true, _) if at != *name => Answer::Alias(at),
            (true, _) => Answer::Nothing(false),
        });
    }
    Err("answered with a chain of CNAME records that does not end".into())
}

/// One question over UDP, and over TCP where the answer did not fit.
async fn exchange(server: SocketAddr, name: &Name) -> (&'static str, Result<Message, String>) {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), RecordType::NAPTR));
    let wait = limits::DNS_ANSWER_MAX;
    let late = |_| format!("did not answer within {} s", wait.as_secs());
    match timeout(wait, over_udp(server, &question)).await.map_err(late).and_then(|answer| answer) {
        Ok(answer) if answer.metadata.truncation => {
            ("tcp", timeout(wait, over_tcp(server, &question)).await.map_err(late).and_then(|answer| answer))
        }
        other => ("udp", other),
    }
}

async fn over_udp(server: SocketAddr, question: &Message) -> Result<Message, String> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let fault = |error: std::io::Error| format!("could not be asked: {error}");
    let bytes = question.to_vec().map_err(|error| format!("could not be asked: {error}"))?;
    let socket = UdpSocket::bind(any).await.map_err(fault)?;
    // Connected: packets of others never come up here.
    socket.connect(server).await.map_err(fault)?;
    socket.send(&bytes).await.map_err(fault)?;
    let mut buffer = [0_u8; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(fault)?;
        // What is no answer to this question may be forged or late: wait on.
        if let Ok(answer) = Message::from_vec(&buffer[..length])
            && answers(&answer, question)
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Message) -> Result<Message, String> {
    let fault = |error: std::io::Error| format!("could not be asked over TCP: {error}");
    let bytes = question.to_vec().map_err(|error| format!("could not be asked: {error}"))?;
    let length = u16::try_from(bytes.len()).map_err(|_| "could not be asked: the question is too long".to_owned())?;
    let mut stream = TcpStream::connect(server).await.map_err(fault)?;
    stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await.map_err(fault)?;
    let length = stream.read_u16().await.map_err(fault)?;
    let mut buffer = vec![0; length.into()];
    stream.read_exact(&mut buffer).await.map_err(fault)?;
    let answer = Message::from_vec(&buffer).map_err(|_| "answered over TCP with no DNS message".to_owned())?;
    if answers(&answer, question) { Ok(answer) } else { Err("answered another question over TCP".into()) }
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.metadata.op_code == OpCode::Query
        && answer.queries == question.queries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ParticipantId {
        text.parse().unwrap()
    }

    #[test]
    fn base32_is_that_of_rfc_4648_in_lower_case_without_padding() {
        for (bytes, text) in
            [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_are_those_of_other_implementations() {
        let expected =
            "v5su5whv23h2ilouezygupwx5mnefcnmjykvqqsfiblq5kdecuha.iso6523-actorid-upis.acc.edelivery.tech.ec.europa.eu";
        assert_eq!(owner_name(&id("0203:digg-test1.example.se"), "acc.edelivery.tech.ec.europa.eu."), expected);
        assert_eq!(
            owner_name(&id("0203:DIGG-Test1.example.se"), "acc.edelivery.tech.ec.europa.eu"),
            expected,
            "folded before hashing"
        );
        for (participant, label) in [
            ("0088:123abc", "y7dzfxaf3d4cjz4kcgrxtec6twvcga4ky7zwa5boif6mswd4tdrq"),
            ("0203:testa.testbed.inera.se", "wf77wyawvki4zkcywwm3ovurr4v2yyqmcoaqr7trpzmsuf7refda"),
            ("0203:testb.testbed.inera.se", "i565xgd6em5rhe42mzy4bmlccpshk7eottcrg4zcj3juixappnca"),
            ("0203:sundbyberg.se", "icy7ra4xv2nezihwixutndogwrmrtasibauhbuofirmaqc3j3ika"),
        ] {
            assert_eq!(owner_name(&id(participant), "z"), format!("{label}.iso6523-actorid-upis.z"));
        }
    }

    #[test]
    fn both_forms_of_the_substitution_give_the_address() {
        for regexp in [
            "!.*!https://smp.example/base!",
            "!^.*$!https://smp.example/base!",
            "#.*#https://smp.example/base#",
            "!.*!https://smp.example/base!i",
        ] {
            assert_eq!(address(regexp).as_deref(), Ok("https://smp.example/base"), "{regexp}");
        }
    }

    #[test]
    fn substitutions_that_lead_nowhere_safe_are_refused() {
        for regexp in [
            "",
            "!",
            "!.*!",
            "!.*!http://smp.example/",
            "!^(.*)$!http://\\1.example.se/!",
            "!.*!http://\\1/!",
            "!.*!ftp://smp.example/!",
            "!.*!smp.example!",
            "!.*!/path!",
            "!^0203.*$!http://smp.example/!",
            "!.*!http://smp.example/!x",
            "!.*!http://user@smp.example/!",
            "!.*!http://smp.example/?q!",
            "!.*!http://smp.example/#f!",
            "!.*!http:///p!",
            "\\.*\\http://smp.example/\\",
            "!.*!http://smp.example/!i!",
            "!.*!http://smp example/!",
        ] {
            assert!(address(regexp).is_err(), "{regexp}");
        }
    }

    fn record(order: u16, preference: u16, flags: &str, service: &str, regexp: &str) -> Record {
        Record {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            regexp: regexp.into(),
            replacement: Name::root(),
        }
    }

    #[test]
    fn the_lowest_order_then_the_lowest_preference_of_the_smp_service_counts() {
        let name = Name::from_ascii("a.example.").unwrap();
        let records = vec![
            record(10, 1, "U", "E2U+sip", "!.*!sip:x@example!"),
            record(50, 20, "U", "Meta:SMP", "!.*!http://second.example/!"),
            record(50, 10, "u", "meta:smp", "!.*!http://first.example/!"),
            record(60, 1, "U", "Meta:SMP", "!.*!http://third.example/!"),
        ];
        assert_eq!(follow(&name, records), Ok(Next::Address("http://first.example/".into())));
    }

    #[test]
    fn a_name_without_a_record_of_the_smp_service_is_not_registered() {
        let name = Name::from_ascii("a.example.").unwrap();
        let found = follow(
            &name,
            vec![record(1, 1, "U", "Meta:CPP", "!.*!http://x.example/!"), record(1, 1, "S", "Meta:SMP", "")],
        );
        assert!(matches!(found, Err(BdxlError::NotRegistered { .. })), "{found:?}");
    }

    #[test]
    fn a_record_that_cannot_be_followed_is_not_taken_for_an_unknown_participant() {
        let name = Name::from_ascii("a.example.").unwrap();
        for regexp in ["", "!.*!smp.example!"] {
            let found = follow(&name, vec![record(1, 1, "U", "Meta:SMP", regexp)]);
            assert!(matches!(found, Err(BdxlError::Unusable { .. })), "{found:?}");
        }
    }
}
