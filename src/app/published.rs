//! What SMP and CertPub publish of our participants, held against the keys and certificates of the configuration: others believe
//! what is published, so a participant whose certificate is another one's is refused there, or sent what it cannot open.

use super::checkup::{Check, warning, well, wrong};
use super::materials::Materials;
use crate::config::Participant;
use crate::discovery::{Discovery, DiscoveryError};
use crate::model::{Cause, ProcessId};
use crate::pki::{Certificate, Identity};

/// Why what is published was not found to be the configuration's.
enum Differs {
    /// It is another: what was found and expected, by which rule, and what to do.
    Other(String),
    /// Nothing is published, or it is not usable.
    Nothing(DiscoveryError),
}

impl From<DiscoveryError> for Differs {
    fn from(error: DiscoveryError) -> Self {
        Self::Nothing(error)
    }
}

/// Compares participant by participant; nobody is asked any more once neither DNS nor SMP could be reached.
pub(super) async fn compared(discovery: &Discovery, materials: &Materials) -> Vec<Check> {
    let mut found = Vec::new();
    for (participant, identity) in &materials.served {
        let what = format!("participant {}, published", participant.id);
        let differs = compare(discovery, materials, participant, identity.as_ref()).await.err();
        let away = matches!(&differs, Some(Differs::Nothing(error))
            if matches!(error.cause(), Cause::DnsUnreachable | Cause::SmpUnreachable));
        found.push(match differs {
            None => well(what, "SMP and CertPub have the certificates of this configuration"),
            Some(Differs::Other(detail)) => wrong(what, detail),
            Some(Differs::Nothing(error)) => warning(what, format!("not compared ({}): {error}", error.rule())),
        });
        if away {
            break;
        }
    }
    found
}

async fn compare(
    discovery: &Discovery,
    materials: &Materials,
    participant: &Participant,
    identity: Option<&Identity>,
) -> Result<(), Differs> {
    let id = &participant.id;
    let types = participant.accepted_document_types();
    let Some(document_type) = types.first() else { return Ok(()) };
    let route = discovery.route(id, document_type, &ProcessId::default()).await?;
    let (own, published) = (&materials.identity.certificate, route.certificate.certificate());
    if published != own {
        let remedy =
            "others send there, encrypted to that certificate; have this access point's certificate registered in SMP";
        return Err(other("AP-3.1.5.b", &[published], own, remedy));
    }
    let Some(Identity { certificate: own, .. }) = identity else { return Ok(()) };
    let signing = discovery.signing_certificates(id).await?;
    if !signing.contains(own) {
        let remedy = "others refuse what it signs; give the key and certificate that are published for it, or have this one published";
        return Err(other("UTB-2.14.1.t01", &signing.iter().collect::<Vec<_>>(), own, remedy));
    }
    let sealing = discovery.sealing_certificate(id, document_type).await?;
    if sealing != *own {
        let remedy =
            "what others seal to it cannot be opened here; give that key and certificate, or have this one published";
        return Err(other("UTB-3.2.a", &[&sealing], own, remedy));
    }
    Ok(())
}

fn other(rule: &str, published: &[&Certificate], own: &Certificate, remedy: &str) -> Differs {
    let name = |certificate: &Certificate| format!("{} (SHA-256 {})", certificate.subject(), certificate.sha256());
    let published: Vec<String> = published.iter().map(|one| name(one)).collect();
    Differs::Other(format!("{rule}: found {}, expected {}; {remedy}", published.join(", "), name(own)))
}
