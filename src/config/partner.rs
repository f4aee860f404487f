//! `[[partner]]`: what is particular to one access point.

use super::{Retry, mistake};
use crate::limits;
use crate::model::{PartyId, Problem};
use crate::xml::algorithm::{Allow, Allowed};
use serde::Deserialize;

/// One access point that may do what others may not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Its party id: the common name of its certificate, as `AP0045-SDK-PROD`.
    pub party: PartyId,
    /// Algorithms beyond the profile: `rsa-sha1`, `rsa-sha384`, `rsa-sha512`, `oaep-mgf1p`, `aes256-gcm`. Each is a risk that
    /// should have an end; a start and each message say so in the log.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Its largest SOAP part, in bytes: 2097152, which is the default, to 16777216. Whoever may send more makes us hold as much in
    /// memory before we know who it is.
    #[serde(default = "soap")]
    pub soap_bytes_max: usize,
    /// How far its eb:Timestamp may lie ahead of our clock, in seconds. Default 300.
    #[serde(default = "ahead")]
    pub timestamp_ahead_max_seconds: u64,
    /// How far it may lie behind, in seconds. Default 2592000, thirty days.
    #[serde(default = "behind")]
    pub timestamp_behind_max_seconds: u64,
    /// When messages to it are tried again, where it is another than for all.
    #[serde(default)]
    pub retry: Option<Retry>,
}

fn soap() -> usize {
    limits::SOAP_BYTES_MAX
}

fn ahead() -> u64 {
    limits::TIMESTAMP_AHEAD_MAX.as_secs()
}

fn behind() -> u64 {
    limits::TIMESTAMP_BEHIND_MAX.as_secs()
}

/// What a partner may be allowed. Trust, signature and encryption are no matter of tolerance.
const ALLOWABLE: [Allow; 5] = [Allow::RsaSha1, Allow::RsaSha384, Allow::RsaSha512, Allow::OaepMgf1p, Allow::Aes256Gcm];

impl Partner {
    /// The algorithms beyond the profile; names that are none were refused by [`Self::check`].
    pub fn allowed(&self) -> Allowed {
        self.allow.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// What types alone cannot say.
    pub(super) fn check(&self, index: usize, before: &[Self], found: &mut Vec<Problem>) {
        let key = format!("partner[{index}] ({})", self.party);
        let names: Vec<String> = ALLOWABLE.iter().map(ToString::to_string).collect();
        for name in &self.allow {
            if !name.parse::<Allow>().is_ok_and(|allow| ALLOWABLE.contains(&allow)) {
                let remedy = format!(
                    "expected some of {}; what is unsigned, unencrypted, expired or not trusted is accepted of nobody",
                    names.join(", ")
                );
                found.push(mistake(&format!("{key}.allow"), name, &remedy));
            }
        }
        if let Some(retry) = &self.retry {
            retry.check(&format!("{key}.retry"), found);
        }
        if !(limits::SOAP_BYTES_MAX..=limits::SOAP_RELAXED_BYTES_MAX).contains(&self.soap_bytes_max) {
            let (least, most) = (limits::SOAP_BYTES_MAX, limits::SOAP_RELAXED_BYTES_MAX);
            let remedy = format!("use {least} to {most}; real SOAP parts have 10 to 20 kB, and each is held in memory");
            found.push(mistake(&format!("{key}.soap_bytes_max"), self.soap_bytes_max, &remedy));
        }
        if before.iter().any(|other| other.party == self.party) {
            found.push(mistake(&key, &self.party, "the partner is there twice; remove one"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(allow: &[&str]) -> Partner {
        let allow = allow.iter().map(|name| (*name).to_owned()).collect();
        let party = "AP0045-SDK-QA".parse().unwrap();
        Partner {
            party,
            allow,
            soap_bytes_max: limits::SOAP_BYTES_MAX,
            timestamp_ahead_max_seconds: 300,
            timestamp_behind_max_seconds: 300,
            retry: None,
        }
    }

    #[test]
    fn algorithms_may_be_allowed_and_what_is_unsigned_or_not_trusted_may_not() {
        let mut found = Vec::new();
        let old = partner(&["rsa-sha512", "oaep-mgf1p"]);
        old.check(0, &[], &mut found);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(old.allowed().len(), 2);
        for name in ["unsigned", "unencrypted", "expired", "unknown-revocation", "short-keys", "md5"] {
            let mut found = Vec::new();
            partner(&[name]).check(3, &[], &mut found);
            let [problem] = &found[..] else { panic!("{name}: {found:?}") };
            for word in ["partner[3] (AP0045-SDK-QA).allow", name, "rsa-sha384"] {
                assert!(problem.detail.contains(word), "{word}: {}", problem.detail);
            }
        }
    }

    #[test]
    fn a_partner_may_send_a_larger_soap_part_but_none_that_the_journal_cannot_hold() {
        for (bytes, wrong) in [(2_097_151, true), (2_097_152, false), (16_777_216, false), (16_777_217, true)] {
            let mut found = Vec::new();
            Partner { soap_bytes_max: bytes, ..partner(&[]) }.check(0, &[], &mut found);
            assert_eq!(!found.is_empty(), wrong, "{bytes}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|problem| problem.detail.contains("soap_bytes_max") && problem.detail.contains("16777216"))
            );
        }
    }

    #[test]
    fn a_partner_stands_there_once() {
        let mut found = Vec::new();
        partner(&[]).check(1, &[partner(&[])], &mut found);
        assert!(found[0].detail.contains("twice"), "{found:?}");
    }
}
