//! Which faults of a hand-over pass, and which do not: one table for the network, TLS, HTTP, DNS, the SMP and ebMS errors.
//!
//! Whoever meets a fault names its [`Cause`]; what follows from it stands here, and nowhere else.

use super::Fault;

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Lasting {
    /// It may pass by itself. Tried again.
    Passes,
    /// Somebody has to mend something, here or there, and the same message may go then. Tried again until its time is over.
    UntilMended,
    /// The same message meets it again. Given up at once.
    ForGood,
}

/// What went wrong, as far as it decides what is done about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// The name of a host has no address.
    HostName,
    /// Nobody answers at an address, or the connection is refused.
    Connect,
    /// No answer in time.
    TimedOut,
    /// The connection ended in the middle.
    Broken,
    /// No HTTP that we understand.
    NoHttp,
    /// An answer larger than allowed.
    TooLarge,
    /// What was to be sent could not be read from our disk.
    Sending,
    /// An address that may not be called, or is none.
    Url,
    /// TLS: a certificate was refused, theirs by us or ours by them.
    TlsCertificate,
    /// TLS: both sides have no version or cipher suite in common.
    TlsAgreement,
    /// TLS: anything else, as an alert `internal_error` or a broken record.
    TlsOther,
    /// HTTP 300 to 399 without SOAP.
    HttpMoved,
    /// HTTP 408, 425, 429 or 503 without SOAP.
    HttpBusy,
    /// HTTP 400 to 499 otherwise, without SOAP.
    HttpRefused,
    /// HTTP 500 and above otherwise, without SOAP.
    HttpFailed,
    /// DNS: the name or its record does not exist (NXDOMAIN, or no record of the service).
    DnsNotRegistered,
    /// DNS: a record that leads to no SMP, or a zone that gives no name.
    DnsUnusable,
    /// DNS: no server answers, or they answer with a failure (SERVFAIL, REFUSED).
    DnsUnreachable,
    /// The SMP gave no answer, or one of HTTP 401, 403, 408, 425, 429, 500 and above.
    SmpUnreachable,
    /// The SMP answered 404: participant or document type are not registered.
    SmpNotOffered,
    /// The SMP answered with another status, or what is no service metadata.
    SmpAnswer,
    /// Service metadata of which it is not proven that an SMP of the federation said so.
    SmpUnproven,
    /// What the SMP signed is not acceptable.
    SmpMetadata,
    /// The receiving access point's certificate is not trusted, or names no access point.
    AccessPointCertificate,
    /// Whether a certificate of SMP or of the receiving access point is revoked cannot be known now.
    RevocationUnknown,
    /// CertPub has no usable certificate of the participant.
    CertPub,
    /// An ebMS error of the catalogue, `EBMS:0004` being 4, in an answer that the partner signed.
    Ebms(u16),
    /// An ebMS error of severity `failure` that no catalogue has, in an answer that the partner signed.
    EbmsUnknown,
    /// Only warnings, in an answer that the partner signed.
    EbmsWarning,
    /// `EBMS:0004` with `NOT_SERVICED`: the partner does not serve this participant for this document type.
    NotServiced,
    /// ebMS errors that are not signed by the partner: anybody may have said so.
    EbmsUnproven,
    /// An empty answer, where an AS4 receipt belongs.
    ReceiptMissing,
    /// An answer that is no valid AS4 receipt for this message, or a SOAP fault without ebMS error.
    ReceiptInvalid,
    /// The AS4 message cannot be packed.
    Pack,
    /// Our own store or disk failed.
    Own,
    /// Our disk no longer has the envelope as it was stored.
    Damaged,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The fault.
    pub cause: Cause,
    /// How long it lasts.
    pub lasts: Lasting,
    /// What an operator is told to do.
    pub told: &'static str,
    /// Where it is written: a standard's clause, a rule, or a chapter of the protocol digest.
    pub source: &'static str,
}

impl Cause {
    /// The cause of an HTTP status of an access point, where the answer has nothing in SOAP.
    pub fn of_access_point_status(status: u16) -> Self {
        match status {
            408 | 425 | 429 | 503 => Self::HttpBusy,
            300..400 => Self::HttpMoved,
            400..500 => Self::HttpRefused,
            _ => Self::HttpFailed,
        }
    }

    /// The cause of an HTTP status of an SMP other than 200.
    pub fn of_smp_status(status: u16) -> Self {
        match status {
            404 => Self::SmpNotOffered,
            401 | 403 | 408 | 425 | 429 | 500.. => Self::SmpUnreachable,
            _ => Self::SmpAnswer,
        }
    }

    /// Whether Retry-After with this HTTP status says when to come again (RFC 6585 section 4, RFC 9110 section 15.6.4).
    pub fn says_when(status: u16) -> bool {
        matches!(status, 429 | 503)
    }

    /// The cause of one ebMS error in a signed answer: by its code alone, one that is not known by its severity.
    pub fn of_ebms(code: &str, severity: &str) -> Self {
        let number = code.strip_prefix("EBMS:").and_then(|digits| digits.parse().ok()).map(Self::Ebms);
        match number.filter(|cause| TABLE.iter().any(|row| row.cause == *cause)) {
            _ if severity != "failure" => Self::EbmsWarning,
            Some(cause) => cause,
            None => Self::EbmsUnknown,
        }
    }

    /// What the table says of it.
    pub fn row(self) -> &'static Row {
        // An ebMS code without a line is one of those that no catalogue has.
        TABLE.iter().find(|row| row.cause == self).unwrap_or(&UNKNOWN)
    }

    /// How long it lasts.
    pub fn lasts(self) -> Lasting {
        self.row().lasts
    }

    /// Whether trying again cannot help.
    pub fn is_for_good(self) -> bool {
        self.lasts() == ForGood
    }

    /// Whether it may pass without anybody changing anything.
    pub fn passes(self) -> bool {
        self.lasts() == Passes
    }

    /// Whose turn it is, for programs: temporary is what is tried again.
    pub fn fault(self) -> Fault {
        if self.is_for_good() { Fault::Refused } else { Fault::Temporary }
    }
}

const fn row(cause: Cause, lasts: Lasting, told: &'static str, source: &'static str) -> Row {
    Row { cause, lasts, told, source }
}

const UNKNOWN: Row = row(Cause::EbmsUnknown, ForGood, "ask the partner's operator what it means", "protocol.md 1.10");

use Cause as C;
use Lasting::{ForGood, Passes, UntilMended};

/// The table.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // The network, and TLS: protocol.md 1.11 retries each failure of TCP, TLS and HTTP.
    row(C::HostName, Passes, "see whether the name is published, and this machine's resolver", "protocol.md 1.11"),
    row(C::Connect, Passes, "ask the partner's operator if it lasts", "AP-3.2.5.a"),
    row(C::TimedOut, Passes, "ask the partner's operator if it lasts", "AP-3.2.5.a"),
    row(C::Broken, Passes, "look at proxies and firewalls if it lasts", "protocol.md 1.11"),
    row(C::NoHttp, Passes, "ask the partner's operator what listens at its address", "protocol.md 1.11"),
    row(C::TooLarge, UntilMended, "ask the partner's operator what answers at its address", "protocol.md 1.11"),
    row(C::Sending, UntilMended, "look at data_dir and its disk", "protocol.md 1.11"),
    row(C::Url, UntilMended, "ask who published the address to correct it", "AS4-2.4.1.a"),
    row(C::TlsCertificate, UntilMended, "compare the partner's TLS certificate with federation.tls_anchor_files, and ask its operator", "AS4-2.4.1.a"),
    row(C::TlsAgreement, UntilMended, "ask the partner's operator for TLS 1.2 or 1.3 with the suites of the profile", "AS4-2.4.1.a"),
    row(C::TlsOther, Passes, "ask the partner's operator if it lasts", "protocol.md 1.11"),
    row(C::HttpMoved, UntilMended, "ask the partner's operator to publish the address that it leads to", "protocol.md 1.12"),
    row(C::HttpBusy, Passes, "wait, as long as the partner asks for where it does", "RFC 9110, 10.2.3"),
    row(C::HttpRefused, UntilMended, "ask the partner's operator what refuses it: a proxy, or an address that moved", "protocol.md 1.11"),
    row(C::HttpFailed, Passes, "ask the partner's operator if it lasts", "protocol.md 1.11"),
    // Whom to send to.
    row(C::DnsNotRegistered, ForGood, "check its identifier, and the configured zone", "AP-3.2.4.a"),
    row(C::DnsUnusable, ForGood, "ask the operator of the SML zone to correct it", "SML-1.1.p1"),
    row(C::DnsUnreachable, Passes, "try again; check the configured DNS servers", "AP-3.2.3.a"),
    row(C::SmpUnreachable, Passes, "try again; see whether this machine may reach it", "AP-3.2.3.a"),
    row(C::SmpNotOffered, ForGood, "ask the recipient's operator to publish the service", "AP-3.1.3.b"),
    row(C::SmpAnswer, UntilMended, "see what answers at its address, and ask the operator of the SMP if it lasts", "AP-3.2.3.a"),
    row(C::SmpUnproven, UntilMended, "the answer is not proven to be the SMP's, so it decides nothing; see what answers at its address, and ask the operator of the SMP if it lasts", "AP-3.2.3.a"),
    row(C::SmpMetadata, ForGood, "ask the operator of the SMP to correct it", "SMP-3.1.p1"),
    row(C::AccessPointCertificate, ForGood, "check the configured trust anchors against the environment, and ask the recipient's operator", "AS4-2.10.a"),
    row(C::RevocationUnknown, Passes, "see that revocation information of the certificate can be had", "AS4-2.10.b"),
    row(C::CertPub, ForGood, "ask the participant to have its certificate published, or to have it renewed", "CERTPUB-REST-3.p2"),
    // What the partner says: protocol.md 1.10, the catalogue of ebMS 3.0 core 6.7 and AS4 3.
    row(C::Ebms(1), ForGood, "ask the partner's operator which value it does not take", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(2), ForGood, "ask the partner's operator which feature it lacks", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(3), ForGood, "ask the partner's operator which values do not fit together", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(4), Passes, "read what the partner says; it is tried again by itself", "protocol.md 1.10"),
    row(C::Ebms(5), Passes, "the partner could not reach something of its own; it is tried again by itself", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(6), Passes, "tell the partner's operator: this belongs to pulling, which nobody does here", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(7), ForGood, "report it with `sluss as4 open`: the partner cannot read our MIME", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(8), ForGood, "ask the partner's operator which packaging it lacks", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(9), ForGood, "report it with `sluss as4 open`: the partner does not take our header", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(10), ForGood, "ask the partner's operator whether it has the agreement of the profile", "ebMS 3.0, 6.7.2"),
    row(C::Ebms(11), ForGood, "report it with `sluss as4 open`: the partner misses a part", "ebMS 3.0, 6.7.1"),
    row(C::Ebms(101), ForGood, "ask the partner's operator whether it trusts our certificate", "ebMS 3.0, 6.7.3"),
    row(C::Ebms(102), ForGood, "ask the partner's operator whether SMP publishes the certificate that it has the key of", "ebMS 3.0, 6.7.3"),
    row(C::Ebms(103), ForGood, "ask the partner's operator which policy it means", "ebMS 3.0, 6.7.3"),
    row(C::Ebms(201), Passes, "the partner could not make its AS4 receipt; it is tried again by itself", "ebMS 3.0, 6.7.4"),
    row(C::Ebms(202), Passes, "the partner could not take it now; it is tried again by itself", "ebMS 3.0, 6.7.4"),
    row(C::Ebms(301), Passes, "the partner misses a receipt; it is tried again by itself", "AS4, 3.4"),
    row(C::Ebms(302), Passes, "the partner misses a receipt; it is tried again by itself", "AS4, 3.4"),
    row(C::Ebms(303), ForGood, "report it with `sluss as4 open`: the partner cannot unpack a part", "AS4, 3.1"),
    UNKNOWN,
    row(C::EbmsWarning, Passes, "the partner warns and gave no AS4 receipt; it is tried again by itself", "protocol.md 1.10"),
    row(C::NotServiced, ForGood, "ask the recipient's operator to serve it, or to correct SMP", "AS4-2.5.c"),
    row(C::EbmsUnproven, Passes, "the answer is not proven to be the partner's, so it decides nothing; it is tried again by itself", "protocol.md 1.10"),
    row(C::ReceiptMissing, Passes, "it is tried again by itself with the same id", "protocol.md 1.11"),
    row(C::ReceiptInvalid, Passes, "it is tried again by itself with the same id; ask the partner's operator if it lasts", "BAS-2.14.1.t05"),
    // Ours.
    row(C::Pack, ForGood, "look at our key and at the certificate that SMP publishes for the partner", "AS4-2.10.p1"),
    row(C::Own, Passes, "look at data_dir and its disk", "protocol.md 1.11"),
    row(C::Damaged, ForGood, "restore the payload from a backup, then `sluss queue retry`", "protocol.md 1.11"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_cause_has_one_line_with_a_remedy_and_a_source() {
        let lines: BTreeSet<String> = TABLE.iter().map(|row| format!("{:?}", row.cause)).collect();
        assert_eq!(lines.len(), TABLE.len());
        for row in TABLE {
            assert_eq!(row.cause.row().told, row.told, "{:?}", row.cause);
            assert!(row.told.len() > 20 && row.source.len() > 5, "{row:?}");
            assert_eq!(row.cause.fault() == Fault::Refused, row.lasts == ForGood, "{row:?}");
            assert_eq!(row.cause.passes(), row.lasts == Passes, "{row:?}");
        }
    }

    #[test]
    fn an_ebms_error_is_known_by_its_code_and_an_unknown_one_by_its_severity() {
        let final_codes = [1, 2, 3, 7, 8, 9, 10, 11, 101, 102, 103, 303];
        let passing_codes = [4, 5, 6, 201, 202, 301, 302];
        for code in final_codes.into_iter().chain(passing_codes) {
            let name = format!("EBMS:{code:04}");
            assert_eq!(Cause::of_ebms(&name, "failure"), Cause::Ebms(code));
            assert_eq!(Cause::Ebms(code).lasts() == ForGood, final_codes.contains(&code), "{name}");
            assert!(Cause::of_ebms(&name, "warning").passes(), "{name}");
        }
        assert_eq!(TABLE.iter().filter(|row| matches!(row.cause, Cause::Ebms(_))).count(), 19);
        for code in ["EBMS:0042", "EBMS:9999", "PRODUCT:1", ""] {
            assert_eq!(Cause::of_ebms(code, "failure").lasts(), ForGood, "{code}");
            assert_eq!(Cause::of_ebms(code, "warning").lasts(), Passes, "{code}");
        }
    }

    #[test]
    fn statuses_of_an_access_point_never_end_a_message_and_those_of_an_smp_may() {
        for status in 300..=599 {
            assert_ne!(Cause::of_access_point_status(status).lasts(), ForGood, "{status}");
        }
        for status in [408, 425, 429, 503] {
            assert_eq!(Cause::of_access_point_status(status), Cause::HttpBusy);
        }
        for status in [500, 502, 504] {
            assert!(Cause::of_access_point_status(status).passes());
        }
        for status in [301, 302, 400, 401, 403, 404, 413] {
            assert_eq!(Cause::of_access_point_status(status).lasts(), UntilMended, "{status}");
        }
        for (status, lasts) in [(404, ForGood), (204, UntilMended), (302, UntilMended), (400, UntilMended)] {
            assert_eq!(Cause::of_smp_status(status).lasts(), lasts, "{status}");
        }
        for status in [401, 403, 408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(Cause::of_smp_status(status), Cause::SmpUnreachable, "{status}");
        }
    }
}
