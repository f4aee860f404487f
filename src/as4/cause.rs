//! What helps against a refusal. The code of an error is for machines, and too wide for that: altered content and a stranger's
//! certificate are both EBMS:0101. So the finding names its cause, and the cause its remedy.

/// Why a message is not accepted, as narrow as there is a remedy of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalCause {
    /// An algorithm outside the profile.
    Algorithm,
    /// What was signed is not what came.
    Altered,
    /// An id, or an element that may be there once, is there twice.
    Ambiguous,
    /// Times that lie too far apart, or have passed.
    Clock,
    /// Values of the header that an access point takes from its configuration.
    Configuration,
    /// The signature covers something else than what is read.
    Coverage,
    /// The frame of the SOAP part: Envelope, Header and Body.
    Envelope,
    /// Something that this profile does not have.
    Feature,
    /// A gzip file that is none, or more than one.
    Gzip,
    /// More content out of a gzip file than its size makes credible.
    GzipRatio,
    /// An HTTP header of the request.
    Http,
    /// How a key is named.
    KeyReference,
    /// The SOAP part of this sender is larger than it may be.
    LargeSoap,
    /// Our own trouble.
    Later,
    /// The structure of MIME.
    Mime,
    /// Who is asked does not serve the recipient.
    NotServiced,
    /// A part that was signed as XML and is none.
    PartXml,
    /// Parts and eb:PayloadInfo that do not agree.
    Parts,
    /// Something is not signed, or not encrypted.
    Protection,
    /// Encrypted to another key, or changed since.
    Recipient,
    /// A message id that was used before.
    Reused,
    /// A header block for somebody else.
    SoapRole,
    /// The form of wsse:Security, of a signature in it or of encryption.
    SecurityForm,
    /// PartyId and certificate do not agree.
    Sender,
    /// More than fits.
    Size,
    /// Whose certificate is not trusted.
    Trust,
    /// The connection ended before the message did.
    Unfinished,
    /// The signer is named, and not known here.
    UnknownSigner,
    /// One initialisation vector for two parts.
    Vector,
    /// A SOAP part that is no well-formed XML, or XML that is not taken.
    Xml,
}

impl RefusalCause {
    /// What to do about it, and who.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Algorithm => "the sender should use the algorithms of eDelivery AS4 1.15",
            Self::Altered => {
                "the sender's software, or what passes the message on, changes it after it is signed: find where, and send it anew"
            }
            Self::Ambiguous => {
                "the sender's software should write each id, and each of these elements, once; if it did, the message was tampered with on its way (signature wrapping)"
            }
            Self::Clock => {
                "the sender and this access point should set their clocks (NTP); a message that is too old should be sent as a new one"
            }
            Self::Configuration => "the sender should correct its AS4 configuration",
            Self::Coverage => {
                "the sender should sign eb:Messaging and Body where they stand, by their ids; if it did, the message was tampered with on its way (signature wrapping)"
            }
            Self::Envelope => {
                "the sender's software should write one SOAP 1.2 Envelope with Header and Body, and nothing else in it; if it did, the message was changed on its way"
            }
            Self::Feature => "the sender should leave out what this profile does not have",
            Self::Gzip => "the sender should compress each part once, whole, as a gzip file, and add nothing to it",
            Self::GzipRatio => {
                "the sender should send this part without compression (it then has no CompressionType); the bound is fixed"
            }
            Self::Http => {
                "the sender, or a proxy between, should send the body unencoded and with one Content-Type in its HTTP headers"
            }
            Self::KeyReference => {
                "the sender should name its key by one wsse:SecurityTokenReference, to a BinarySecurityToken with its ValueType or by issuer and serial, key identifier or thumbprint"
            }
            Self::LargeSoap => {
                "the sender should send fewer properties and parts in one message, or agree with the receiver on a larger soap_bytes_max"
            }
            Self::Later => "the sender should try again later",
            Self::Mime => {
                "the sender's software, or what passes the message on, should write the MIME parts as RFC 2046 and RFC 2387 have them"
            }
            Self::NotServiced => {
                "the sender should look the recipient up again; the recipient's operator should check its registration in SMP"
            }
            Self::PartXml => {
                "the sender should correct the document, or describe and sign it under another media type than XML"
            }
            Self::Parts => "the sender should send each part that eb:PayloadInfo names, once, and no others",
            Self::Protection => {
                "the sender should sign eb:Messaging, Body and every part, and encrypt every part, as eDelivery AS4 1.15 demands"
            }
            Self::Recipient => "the sender should read this access point's certificate in SMP again and encrypt to it",
            Self::Reused => "the sender should give every new message a new id",
            Self::SoapRole => "the sender should write eb:Messaging and wsse:Security without S12:role",
            Self::SecurityForm => {
                "the sender's software should write wsse:Security, its signature and its encryption in the form of eDelivery AS4 1.15, and nothing besides"
            }
            Self::Sender => {
                "the sender's PartyId and the common name of its certificate must be the same: one of both is wrong there"
            }
            Self::Size => "the sender should send less in one message",
            Self::Trust => {
                "compare the sender's certificate with the federation's trust anchors, its validity and its revocation; the sender may need a new one"
            }
            Self::Unfinished => {
                "the sender should send the message again; if it breaks off again, look at its time limits and at what stands between"
            }
            Self::UnknownSigner => "the sender should send its certificate with the message, or publish it in SMP",
            Self::Vector => "the sender's software should take a fresh initialisation vector for each part",
            Self::Xml => "the sender should write the SOAP part as well-formed XML 1.0 in UTF-8, without DTD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RefusalCause::{self, *};

    /// Each cause, with words that its remedy must have.
    const FITTING: [(RefusalCause, &str); 30] = [
        (Algorithm, "algorithms"),
        (Altered, "changes it after it is signed"),
        (Ambiguous, "each id"),
        (Clock, "clocks"),
        (Configuration, "configuration"),
        (Coverage, "sign eb:Messaging and Body where they stand"),
        (Envelope, "one SOAP 1.2 Envelope"),
        (Feature, "leave out"),
        (Gzip, "as a gzip file"),
        (GzipRatio, "without compression"),
        (Http, "HTTP headers"),
        (KeyReference, "name its key"),
        (LargeSoap, "soap_bytes_max"),
        (Later, "later"),
        (Mime, "MIME"),
        (NotServiced, "look the recipient up"),
        (PartXml, "correct the document"),
        (Parts, "each part that eb:PayloadInfo names"),
        (Protection, "encrypt every part"),
        (Recipient, "encrypt to it"),
        (Reused, "new id"),
        (SoapRole, "without S12:role"),
        (SecurityForm, "in the form of eDelivery AS4 1.15"),
        (Sender, "PartyId"),
        (Size, "send less"),
        (Trust, "trust anchors"),
        (Unfinished, "send the message again"),
        (UnknownSigner, "send its certificate"),
        (Vector, "initialisation vector"),
        (Xml, "well-formed XML"),
    ];

    #[test]
    fn each_cause_has_a_remedy_of_its_own_that_fits_it() {
        for (cause, words) in FITTING {
            let having: Vec<RefusalCause> =
                FITTING.iter().map(|(other, _)| *other).filter(|other| other.remedy().contains(words)).collect();
            assert_eq!(having, [cause], "{words:?}");
        }
    }
}
