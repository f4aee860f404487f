//! The demo's keys and certificates, as they are committed in `certs/test`. All of them are public.

use super::{Authority, CaError, Style, write_key};
use crate::pki::{Certificate, Identity};
use std::fs;
use std::path::Path;

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/certs/test/", $path)))
    };
}

/// The files that [`super::demo_tree`] wrote, with their paths below `certs/test`.
pub const FILES: [(&str, &str); 24] = [
    file!("access-points/AP0001-DEMO/cert.pem"),
    file!("access-points/AP0001-DEMO/test-key.pem"),
    file!("access-points/AP0002-DEMO/cert.pem"),
    file!("access-points/AP0002-DEMO/test-key.pem"),
    file!("ca/ap-root.cert.pem"),
    file!("ca/ap-root.test-key.pem"),
    file!("ca/ap.cert.pem"),
    file!("ca/ap.test-key.pem"),
    file!("ca/o2o-root.cert.pem"),
    file!("ca/o2o-root.test-key.pem"),
    file!("ca/o2o.cert.pem"),
    file!("ca/o2o.test-key.pem"),
    file!("ca/smp-root.cert.pem"),
    file!("ca/smp-root.test-key.pem"),
    file!("ca/smp-signer.cert.pem"),
    file!("ca/smp-signer.test-key.pem"),
    file!("ca/tls.cert.pem"),
    file!("ca/tls.test-key.pem"),
    file!("participants/ankeborg.example.se/cert.pem"),
    file!("participants/ankeborg.example.se/test-key.pem"),
    file!("participants/storstad.example.se/cert.pem"),
    file!("participants/storstad.example.se/test-key.pem"),
    file!("tls/localhost/cert.pem"),
    file!("tls/localhost/test-key.pem"),
];

/// The text of a file, by its path.
pub fn file(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// The key and certificates in a folder, for example `access-points/AP0001-DEMO`.
///
/// # Errors
///
/// When there is no such folder.
pub fn identity(folder: &str) -> Result<Identity, CaError> {
    let (key, certificate) = match folder {
        SMP_SIGNER => (format!("{folder}.test-key.pem"), format!("{folder}.cert.pem")),
        _ => (format!("{folder}/test-key.pem"), format!("{folder}/cert.pem")),
    };
    let failed = |problem: String| CaError::Certificate { subject: folder.to_owned(), problem };
    let text = |path: &str| file(path).ok_or_else(|| failed("no such key in the demo".into()));
    Identity::from_pem(text(&key)?.as_bytes(), text(&certificate)?.as_bytes())
        .map_err(|error| failed(error.to_string()))
}

/// The certificate of an authority: `ap-root`, `ap`, `smp-root`, `o2o-root`, `o2o`, `tls`.
///
/// # Errors
///
/// When there is no such authority.
pub fn authority(name: &str) -> Result<Certificate, CaError> {
    let failed = |problem: String| CaError::Certificate { subject: name.to_owned(), problem };
    let text = file(&format!("ca/{name}.cert.pem")).ok_or_else(|| failed("no such authority in the demo".into()))?;
    Certificate::from_pem(text.as_bytes()).map_err(|error| failed(error.to_string()))
}

/// An authority of Digg's style with its key, to issue more under it: `ap`, `ap-root`, `smp-root`, `tls`.
///
/// # Errors
///
/// When there is no such authority.
pub fn issuer(name: &str) -> Result<Authority, CaError> {
    let failed = |problem: &str| CaError::Certificate { subject: name.to_owned(), problem: problem.to_owned() };
    let text = |end: &str| file(&format!("ca/{name}{end}")).ok_or_else(|| failed("no such authority in the demo"));
    Authority::from_pem(name, Style::Digg, text(".test-key.pem")?, text(".cert.pem")?, &super::tree::demo_profile())
}

/// Writes all files below `dir`, keys with mode 0600.
pub fn write(dir: &Path) -> Result<(), CaError> {
    for (name, text) in FILES {
        let path = dir.join(name);
        let failed = |source| CaError::Io { path: path.display().to_string(), source };
        fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        if name.ends_with("test-key.pem") {
            write_key(&path, text)?;
        } else {
            fs::write(&path, text).map_err(failed)?;
        }
    }
    Ok(())
}

/// The signer of service metadata, for [`identity`].
pub const SMP_SIGNER: &str = "ca/smp-signer";
