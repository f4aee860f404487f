//! What SMP and CertPub publish of our participants, held against the keys and certificates of the configuration: others believe
//! what is published, so a participant whose certificate is another one's is refused there, or sent what it cannot open.

use super::checkup::{Check, warning, well, wrong};
use super::materials::Materials;
use crate::config::Participant;
use crate::discovery::{Discovery, DiscoveryError};
use crate::limits::CHECK_LOOKUPS_AT_ONCE_MAX;
use crate::model::ProcessId;
use crate::pki::{Certificate, Identity};
use futures_util::stream::{self, StreamExt};

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

/// Compares all participants side by side. What concerns several alike, as an SMP that is away, is one finding with their number.
pub(super) async fn compared(discovery: &Discovery, materials: &Materials) -> Vec<Check> {
    let looks = materials.served.iter().map(|(participant, identity)| async move {
        let differs = compare(discovery, materials, participant, identity.as_ref()).await.err();
        (participant.id.to_string(), differs.map(Finding::of))
    });
    together(stream::iter(looks).buffered(CHECK_LOOKUPS_AT_ONCE_MAX).collect().await)
}

/// What is said of a participant.
struct Finding {
    /// Findings with the same are one.
    about: String,
    detail: String,
    /// How it is said.
    check: fn(String, String) -> Check,
}

impl Finding {
    fn of(differs: Differs) -> Self {
        match differs {
            Differs::Other(detail) => Self { about: detail.clone(), detail, check: wrong },
            Differs::Nothing(error) => {
                let detail = format!("not compared ({}): {error}", error.rule());
                Self { about: error.away().unwrap_or_else(|| detail.clone()), detail, check: warning }
            }
        }
    }
}

/// One check for each participant of whom nothing is found, and one for each finding.
fn together(found: Vec<(String, Option<Finding>)>) -> Vec<Check> {
    let (mut checks, mut findings) = (Vec::new(), Vec::<(Finding, Vec<String>)>::new());
    for (participant, finding) in found {
        let Some(finding) = finding else {
            let detail = "SMP and CertPub have the certificates of this configuration";
            checks.push(well(format!("participant {participant}, published"), detail));
            continue;
        };
        match findings.iter_mut().find(|(first, _)| first.about == finding.about) {
            Some((_, concerned)) => concerned.push(participant),
            None => findings.push((finding, vec![participant])),
        }
    }
    checks.extend(findings.into_iter().map(|(Finding { detail, check, .. }, concerned)| match concerned.as_slice() {
        [one] => check(format!("participant {one}, published"), detail),
        all => check(
            format!("{} participants, published", all.len()),
            format!("{detail}; this concerns {}", all.join(", ")),
        ),
    }));
    checks
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

#[cfg(test)]
mod tests {
    use super::{Differs, Finding, together};
    use crate::discovery::DiscoveryError;

    fn away(host: &str, id: &str) -> Option<Finding> {
        let unreachable = DiscoveryError::unreachable(&format!("https://{host}/{id}"), "refused");
        Some(Finding::of(Differs::Nothing(unreachable)))
    }

    #[test]
    fn those_whom_the_same_fault_concerns_are_one_finding() {
        let other = |what: &str| Some(Finding::of(Differs::Other(what.into())));
        let found = [
            ("a", away("smp1", "a")),
            ("b", None),
            ("c", away("smp2", "c")),
            ("d", away("smp1", "d")),
            ("e", other("x")),
            ("f", other("x")),
        ];
        let checks = together(found.map(|(id, finding)| (id.to_owned(), finding)).into());
        let said: Vec<_> = checks.iter().map(|check| (check.what.as_str(), check.ok, check.serious)).collect();
        let expected = [
            ("participant b, published", true, false),
            ("2 participants, published", false, false),
            ("participant c, published", false, false),
            ("2 participants, published", false, true),
        ];
        assert_eq!(said, expected);
        assert!(checks[1].detail.contains("smp1") && checks[1].detail.ends_with("; this concerns a, d"), "{checks:?}");
        assert_eq!(checks[3].detail, "x; this concerns e, f");
    }
}
