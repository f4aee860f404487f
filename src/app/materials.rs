//! Keys and certificates that the configuration names, read from their files and handed to the parts.

use crate::access_point::{self, Breaker, Pace, Patience, Served};
use crate::config::{Config, Participant, Revocation as RevocationSetting, Strategy};
use crate::discovery;
use crate::limits;
use crate::message_service::{self, Keys, Mailbox};
use crate::model::{Carriage, CertificateEnd, Fault, IdError, ParticipantId, PartyId, Problem};
use crate::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Keys and certificates that the configuration names, read.
pub(super) struct Materials {
    pub(super) identity: Identity,
    party: PartyId,
    pub(super) access_points: Trust,
    smps: Trust,
    pub(super) participants: Trust,
    pub(super) tls: Vec<Certificate>,
    /// Our listeners' own.
    doors: Vec<Certificate>,
    pub(super) served: Vec<(Participant, Option<Identity>)>,
}

impl Materials {
    pub(super) fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut mistakes = Vec::new();
        let mut keep = |result: Result<Vec<Certificate>, Problem>| {
            result.unwrap_or_else(|problem| {
                mistakes.push(problem);
                Vec::new()
            })
        };
        let federation = &config.federation;
        let access_points =
            keep(certificates("federation.access_point_anchor_files", &federation.access_point_anchor_files));
        let smps = keep(certificates("federation.smp_anchor_files", &federation.smp_anchor_files));
        let participants =
            keep(certificates("federation.participant_anchor_files", &federation.participant_anchor_files));
        let tls = keep(certificates("federation.tls_anchor_files", &federation.tls_anchor_files));
        let doors = [("listen.tls", &config.listen.tls), ("listen.console_tls", &config.listen.console_tls)];
        let doors = doors.into_iter().filter_map(|(key, tls)| Some((key, tls.as_ref()?)));
        // The issuers that may follow in the file are the authorities' care.
        let doors = doors.filter_map(|(key, tls)| {
            keep(certificates(key, std::slice::from_ref(&tls.certificate_file))).into_iter().next()
        });
        let doors: Vec<Certificate> = doors.collect();
        let own = identity("access_point", &config.access_point.key_file, &config.access_point.certificate_file)
            .and_then(|identity| Ok((party(&identity)?, identity)));
        let served = served(config, &mut mistakes);
        let revocation = match federation.revocation {
            RevocationSetting::Required => Revocation::Required,
            RevocationSetting::Unchecked => Revocation::Unchecked,
        };
        let trust = |role, anchors, bits_least| Trust {
            role,
            anchors,
            revocation,
            bits_least,
            validity: true,
            proven: Proven::default(),
        };
        match own {
            Ok((party, identity)) if mistakes.is_empty() => Ok(Self {
                identity,
                party,
                access_points: trust(Role::AccessPoint, access_points, federation.access_point_rsa_bits_least),
                smps: trust(Role::Smp, smps, limits::RSA_BITS_LEAST),
                participants: trust(Role::Participant, participants, limits::RSA_BITS_LEAST),
                tls,
                doors,
                served,
            }),
            Ok(_) => Err(mistakes),
            Err(problem) => {
                mistakes.push(problem);
                Err(mistakes)
            }
        }
    }

    /// Who we are.
    pub(super) fn party(&self) -> &PartyId {
        &self.party
    }

    pub(super) fn discovery(&self, config: &Config) -> discovery::Settings {
        discovery::Settings {
            zone: config.discovery.zone.clone(),
            dns_servers: config.discovery.dns_servers.clone(),
            smp_trust: self.smps.clone(),
            access_point_trust: self.access_points.clone(),
            participant_trust: self.participants.clone(),
            cache: Duration::from_secs(config.discovery.cache_seconds),
            plain_http: config.discovery.smp_plain_http,
        }
    }

    pub(super) fn access_point(&self, config: &Config) -> access_point::Settings {
        let participants = self.served.iter().map(|(participant, identity)| {
            let carriage = if identity.is_some() { Carriage::Own } else { Carriage::Carried };
            (participant.id.clone(), Served { carriage, document_types: participant.accepted_document_types() })
        });
        access_point::Settings {
            identity: self.identity.clone(),
            party: self.party.clone(),
            federation: config.federation.id.clone(),
            trust: self.access_points.clone(),
            participants: participants.collect(),
            envelope_bytes_max: config.limits.envelope_bytes_max,
            as4_bytes_max: config.limits.as4_bytes_max,
            recorder: config.record_refused.then(|| access_point::Recorder {
                folder: config.data_dir.join("refused"),
                bytes_max: config.limits.recorded_bytes_max,
            }),
            partners: config.partners.iter().map(|partner| (partner.party.clone(), tolerated(partner))).collect(),
            spool_bytes_max: config.limits.spool_bytes_max,
            free_bytes_least: config.limits.free_bytes_least,
            patience: Patience {
                partners: retry(&config.retry),
                smp: retry(&config.smp_retry),
                message_receipt: config.message_receipt.wait(),
                breaker: Breaker {
                    failures: config.breaker.failures,
                    first_pause: Duration::from_secs(config.breaker.first_pause_seconds),
                    longest_pause: Duration::from_secs(config.breaker.longest_pause_seconds),
                },
            },
        }
    }

    pub(super) fn message_service(&self, config: &Config) -> message_service::Settings {
        let mailboxes: BTreeMap<ParticipantId, Keys> = self
            .served
            .iter()
            .filter_map(|(participant, identity)| {
                let mailbox =
                    Mailbox { participant: participant.id.clone(), functional_addresses: participant.addresses() };
                identity.clone().map(|identity| (participant.id.clone(), Keys { mailbox, identity }))
            })
            .collect();
        let addresses = self.served.iter().map(|(participant, _)| (participant.id.clone(), participant.addresses()));
        message_service::Settings {
            mailboxes,
            addresses: addresses.collect(),
            federation: config.federation.id.clone(),
            trust: self.participants.clone(),
            message_bytes_max: config.limits.message_bytes_max,
            received_message_bytes_max: config.limits.received_message_bytes_max,
        }
    }

    /// When certificates end: ours, our participants', our listeners', and the anchors'.
    pub(super) fn ends(&self) -> Vec<CertificateEnd> {
        let own = std::iter::once(("access-point", &self.identity.certificate));
        let theirs = self.served.iter().filter_map(|(_, identity)| identity.as_ref());
        let theirs = theirs.map(|identity| ("participant", &identity.certificate));
        let anchors = self.access_points.anchors.iter().chain(&self.smps.anchors).chain(&self.participants.anchors);
        let anchors = anchors.chain(&self.tls).map(|certificate| ("anchor", certificate));
        let doors = self.doors.iter().map(|certificate| ("tls", certificate));
        let all = own.chain(theirs).chain(doors).chain(anchors);
        all.map(|(purpose, certificate)| CertificateEnd {
            purpose,
            subject: certificate.subject().to_owned(),
            not_after: certificate.not_after(),
        })
        .collect()
    }
}

fn tolerated(partner: &crate::config::Partner) -> access_point::Partner {
    access_point::Partner {
        allowed: partner.allowed(),
        soap_bytes_max: partner.soap_bytes_max,
        timestamp_ahead_max: Duration::from_secs(partner.timestamp_ahead_max_seconds),
        timestamp_behind_max: Duration::from_secs(partner.timestamp_behind_max_seconds),
        retry: partner.retry.as_ref().map(retry),
    }
}

fn retry(config: &crate::config::Retry) -> access_point::Retry {
    let pace = match config.strategy {
        Strategy::Constant => Pace::Constant { retries: config.retries() },
        Strategy::Exponential => Pace::Exponential {
            first: Duration::from_secs(config.first_pause_seconds()),
            longest: Duration::from_secs(config.longest_pause_seconds()),
        },
    };
    access_point::Retry { pace, give_up_after: Duration::from_secs(config.give_up_after_seconds()) }
}

fn served(config: &Config, mistakes: &mut Vec<Problem>) -> Vec<(Participant, Option<Identity>)> {
    config
        .participants
        .iter()
        .map(|participant| {
            let files = participant.key_file.as_ref().zip(participant.certificate_file.as_ref());
            let read = files
                .map(|(key, certificate)| identity(&format!("participant {}", participant.id), key, certificate))
                .transpose();
            let own = read.unwrap_or_else(|problem| {
                mistakes.push(problem);
                None
            });
            (participant.clone(), own)
        })
        .collect()
}

fn certificates(key: &str, files: &[PathBuf]) -> Result<Vec<Certificate>, Problem> {
    let mut found = Vec::new();
    for file in files {
        let fault = |detail: String| {
            Problem::new(
                Fault::Usage,
                "configuration",
                "a certificate file cannot be used",
                format!("{key}, {}: {detail}; give a PEM or DER file", file.display()),
            )
        };
        let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
        let read = Certificate::all_from_pem(&bytes)
            .ok()
            .filter(|all| !all.is_empty())
            .map_or_else(|| Certificate::from_der(&bytes).map(|one| vec![one]), Ok);
        found.extend(read.map_err(|error| fault(error.to_string()))?);
    }
    Ok(found)
}

fn identity(key: &str, key_file: &Path, certificate_file: &Path) -> Result<Identity, Problem> {
    Identity::from_files(key_file, certificate_file).map_err(|error| {
        Problem::new(
            Fault::Usage,
            "configuration",
            "a key cannot be used",
            format!("{key}: {error}; give the key (PKCS#8 or PKCS#1) and the certificate that was issued for it"),
        )
    })
}

fn party(identity: &Identity) -> Result<PartyId, Problem> {
    let fault = |detail: String| {
        Problem::new(Fault::Usage, "configuration", "the access point's certificate names no party", detail)
            .rule("AS4-2.3.1.j")
    };
    let name = identity.certificate.common_name().ok_or_else(|| {
        fault(format!("found subject {}, expected a common name, as AP0001-SDK-QA", identity.certificate.subject()))
    })?;
    name.parse().map_err(|error: IdError| fault(error.to_string()))
}
