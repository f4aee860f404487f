//! Certificates with their ends: ours, our participants', our listeners', and the authorities that we trust.

use super::ConsoleState;
use super::frame::{Frame, Visit, page};
use super::text::Texts;
use super::view::{Moment, Wall};
use crate::model::CertificateEnd;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

struct CertificateRow {
    subject: String,
    purpose: &'static str,
    end: Moment,
    days: i64,
    state: &'static str,
    tone: &'static str,
    /// What to do; nothing where it is well.
    remedy: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "certificates.html", config = ".config/askama.toml")]
pub(super) struct CertificatesPage {
    rows: Vec<CertificateRow>,
    soon: usize,
    now: String,
    frame: Frame,
}

/// `GET /certificates`.
pub(super) async fn certificates(State(state): State<ConsoleState>, visit: Visit) -> Response {
    page(&render_certificates(&state.outlook.certificates(), &visit))
}

/// As many as the configuration names, those that end first before others.
pub(super) fn render_certificates(certificates: &[CertificateEnd], visit: &Visit) -> CertificatesPage {
    let wall = Wall::utc(visit.now, visit.lang());
    let mut sorted: Vec<&CertificateEnd> = certificates.iter().collect();
    sorted.sort_by_key(|certificate| certificate.not_after);
    CertificatesPage {
        soon: certificates.iter().filter(|certificate| certificate.is_soon(visit.now)).count(),
        rows: sorted.into_iter().map(|certificate| row(certificate, visit, &wall)).collect(),
        now: wall.now(),
        frame: visit.frame("certificates"),
    }
}

fn row(certificate: &CertificateEnd, visit: &Visit, wall: &Wall) -> CertificateRow {
    let t = visit.text();
    let seconds = certificate.not_after.as_second() - visit.now.as_second();
    let (state, tone) = match seconds {
        ..0 => (t.certificate_ended, "bad"),
        _ if certificate.is_soon(visit.now) => (t.certificate_ends_soon, "late"),
        _ => (t.certificate_well, "good"),
    };
    let (purpose, remedy) = named(certificate.purpose, t);
    CertificateRow {
        subject: certificate.subject.clone(),
        purpose,
        end: wall.moment(certificate.not_after),
        days: seconds.div_euclid(24 * 60 * 60),
        state,
        tone,
        remedy: (tone != "good").then_some(remedy),
    }
}

/// What a certificate is for, and what to do when it ends.
fn named(purpose: &str, t: &'static Texts) -> (&'static str, &'static str) {
    match purpose {
        "access-point" => (t.certificate_access_point, t.renew_access_point),
        "participant" => (t.certificate_participant, t.renew_participant),
        "tls" => (t.certificate_tls, t.renew_tls),
        _ => (t.certificate_anchor, t.renew_anchor),
    }
}
