//! A new key and the certificate request for it, as Digg asks of access points (C-45: RSA 3072).

use crate::model::PartyId;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// A key with its request, in PEM.
pub struct Made {
    /// The private key, PKCS#8.
    pub key_pem: String,
    /// The request, PKCS#10.
    pub request_pem: String,
}

/// Draws an RSA key of 3072 bits and requests a certificate whose common name is the party id.
///
/// # Errors
///
/// In words, when the key cannot be drawn.
pub fn make(party: &PartyId) -> Result<Made, String> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "SE");
    params.distinguished_name.push(DnType::CommonName, party.as_str());
    let request =
        params.serialize_request(&key).and_then(|request| request.pem()).map_err(|error| error.to_string())?;
    Ok(Made { key_pem: key.serialize_pem(), request_pem: request })
}
