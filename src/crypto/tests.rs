//! Known answers of others, and everything that must be refused.

use super::*;
use std::fs;
use std::process::{Command, Stdio};

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Gives the bytes it was made of, again and again.
struct Fixed(Vec<u8>);

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(self.0.iter().cycle()).for_each(|(byte, value)| *byte = *value);
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 131 + at / 251) as u8).collect()
}

fn seal_gcm(key: &[u8], iv: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut writer = GcmWriter::new(key, &Fixed(iv.to_vec()), Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn seal_cbc(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let mut writer = CbcWriter::new(key, &SystemRandom, Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn open(mut opener: Opener, cipher: &[u8], chunk: usize) -> Result<Vec<u8>, CryptoError> {
    let mut plain = Vec::new();
    for piece in cipher.chunks(chunk) {
        opener.update(piece, &mut plain)?;
    }
    opener.finish(&mut plain)?;
    Ok(plain)
}

/// The keys of every bit length that tests need, made by OpenSSL once a run.
fn openssl_key(bits: u32) -> Option<(PrivateKey, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}"), "-out"])
        .arg(&key)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: openssl is not here");
        return None;
    }
    Some((PrivateKey::from_pem(&fs::read(&key).unwrap()).unwrap(), folder))
}

fn pkeyutl(folder: &tempfile::TempDir, action: &str, options: &[String], input: &[u8]) -> Option<Vec<u8>> {
    fs::write(folder.path().join("in"), input).unwrap();
    let mut command = Command::new("openssl");
    command.current_dir(folder.path()).args(["pkeyutl", action, "-inkey", "key.pem", "-in", "in", "-out", "out"]);
    options.iter().for_each(|option| {
        command.args(["-pkeyopt", option]);
    });
    let done = command.stderr(Stdio::null()).status().unwrap().success();
    done.then(|| fs::read(folder.path().join("out")).unwrap())
}

fn name(hash: HashFunction) -> &'static str {
    match hash {
        HashFunction::Sha1 => "sha1",
        HashFunction::Sha256 => "sha256",
        HashFunction::Sha384 => "sha384",
        HashFunction::Sha512 => "sha512",
    }
}

const SHA1: HashFunction = HashFunction::Sha1;
const SHA256: HashFunction = HashFunction::Sha256;

#[test]
fn digests_are_those_of_fips_180() {
    let known = [
        (SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ];
    for (function, expected) in known {
        let mut digest = Digest::new(function);
        digest.write_all(b"a").unwrap();
        digest.update(b"bc");
        assert_eq!(hex(&digest.finish()), expected);
        assert_eq!(hex(&Digest::of(function, b"abc")), expected);
    }
    assert!(Digest::of(HashFunction::Sha384, b"abc").starts_with(&unhex("cb00753f45a35e8bb5a03d699ac65007")));
    assert!(Digest::of(HashFunction::Sha512, b"abc").starts_with(&unhex("ddaf35a193617abacc417349ae204131")));
    assert_eq!(sha256_hex(b"abc"), known[1].1);
}

/// Test cases 1 to 3, 13 and 14 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B.
#[test]
fn gcm_gives_the_published_answers() {
    let long = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let zero = "00".repeat(16);
    let known = [
        (zero.clone(), "00".repeat(12), String::new(), "58e2fccefa7e3061367f1d57a4e7455a"),
        (
            zero.clone(),
            "00".repeat(12),
            zero.clone(),
            "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
        ),
        (
            "feffe9928665731c6d6a8f9467308308".to_owned(),
            "cafebabefacedbaddecaf888".to_owned(),
            long.to_owned(),
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4",
        ),
        ("00".repeat(32), "00".repeat(12), String::new(), "530f8afbc74536b9a963b4f1c4cb738b"),
        ("00".repeat(32), "00".repeat(12), zero, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    ];
    for (key, iv, plain, expected) in known {
        let (key, plain) = (unhex(&key), unhex(&plain));
        let sealed = seal_gcm(&key, &unhex(&iv), &plain);
        assert_eq!(hex(&sealed), format!("{iv}{expected}"));
        assert_eq!(open(Opener::gcm(&key).unwrap(), &sealed, 1000).unwrap(), plain);
    }
}

#[test]
fn gcm_over_a_stream_is_gcm_at_once() {
    use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    for (key, algorithm) in [(content(16), &AES_128_GCM), (content(32), &AES_256_GCM)] {
        let iv = [7; 12];
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 255, 4096, 200_003] {
            let mut expected = content(length);
            let once = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
            once.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut expected).unwrap();
            assert!(seal_gcm(&key, &iv, &content(length))[12..] == expected, "{length} bytes");
        }
    }
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let (key, plain) = ([9; 32], content(100));
    let whole = seal_gcm(&key, &[1; 12], &plain);
    let boxed = seal_cbc(&key, &plain);
    for chunk in 1..=130 {
        let mut gcm = GcmWriter::new(&key, &Fixed(vec![1; 12]), Vec::new()).unwrap();
        let mut cbc = CbcWriter::new(&key, &Fixed(boxed[..16].to_vec()), Vec::new()).unwrap();
        for piece in plain.chunks(chunk) {
            gcm.write_all(piece).unwrap();
            cbc.write_all(piece).unwrap();
        }
        assert_eq!(gcm.finish().unwrap(), whole, "{chunk}");
        assert_eq!(cbc.finish().unwrap(), boxed, "{chunk}");
        assert_eq!(open(Opener::gcm(&key).unwrap(), &whole, chunk).unwrap(), plain, "{chunk}");
        assert_eq!(open(Opener::cbc(&key).unwrap(), &boxed, chunk).unwrap(), plain, "{chunk}");
    }
}

#[test]
fn a_changed_bit_anywhere_is_refused_by_gcm() {
    let key = [3; 16];
    let sealed = seal_gcm(&key, &[5; 12], &content(50));
    for at in 0..sealed.len() {
        for bit in [1, 0x80] {
            let mut changed = sealed.clone();
            changed[at] ^= bit;
            assert!(matches!(open(Opener::gcm(&key).unwrap(), &changed, 7), Err(CryptoError::Decryption)), "byte {at}");
        }
    }
    for length in 0..sealed.len() {
        let cut = &sealed[..length];
        assert!(matches!(open(Opener::gcm(&key).unwrap(), cut, 7), Err(CryptoError::Decryption)), "cut to {length}");
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(open(Opener::gcm(&key).unwrap(), &longer, 7).is_err());
    assert!(open(Opener::gcm(&[4; 16]).unwrap(), &sealed, 7).is_err());
}

#[test]
fn gcm_gives_no_plaintext_of_the_tag_and_keeps_sixteen_bytes_back() {
    let sealed = seal_gcm(&[3; 16], &[5; 12], &content(50));
    let mut opener = Opener::gcm(&[3; 16]).unwrap();
    let mut plain = Vec::new();
    opener.update(&sealed[..12 + 40], &mut plain).unwrap();
    assert_eq!(plain, content(24));
    opener.update(&sealed[12 + 40..], &mut plain).unwrap();
    assert_eq!(plain, content(50));
    opener.finish(&mut plain).unwrap();
    assert_eq!(plain.len(), 50);
}

#[test]
fn keys_of_other_lengths_are_refused() {
    for length in [0, 15, 17, 24, 31, 33] {
        assert!(matches!(Opener::gcm(&content(length)), Err(CryptoError::Key(_))), "{length}");
        assert!(matches!(Opener::cbc(&content(length)), Err(CryptoError::Key(_))), "{length}");
        assert!(GcmWriter::new(&content(length), &SystemRandom, Vec::new()).is_err(), "{length}");
    }
}

/// NIST SP 800-38A, F.2.1 (AES-128) and F.2.5 (AES-256): the first three blocks; the fourth is opened as padding.
#[test]
fn cbc_gives_the_published_answers() {
    let plain =
        unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef");
    let iv: Vec<u8> = (0..16).collect();
    let key: [u8; 32] = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").try_into().unwrap();
    let expected = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461";
    let mut writer = CbcWriter::new(&key, &Fixed(iv.clone()), Vec::new()).unwrap();
    writer.write_all(&plain).unwrap();
    let sealed = writer.finish().unwrap();
    assert_eq!(sealed.len(), 16 + 48 + 16, "a full block of padding after full blocks");
    assert_eq!(hex(&sealed[16..64]), expected);
    assert_eq!(open(Opener::cbc(&key).unwrap(), &sealed, 5).unwrap(), plain);

    let key = unhex("2b7e151628aed2a6abf7158809cf4f3c");
    let cipher = unhex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    let mut first = Vec::new();
    Opener::cbc(&key).unwrap().update(&[iv, cipher].concat(), &mut first).unwrap();
    assert_eq!(first, plain[..16]);
}

/// The padding that XML Encryption allows and PKCS#7 does not: other bytes than the last are arbitrary.
#[test]
fn cbc_reads_arbitrary_padding_and_refuses_impossible_counts() {
    let key = [8; 32];
    let raw = |block: [u8; 16]| {
        // A full block of padding follows what is written, so this block becomes the last when that is cut.
        let sealed = seal_cbc(&key, &block);
        sealed[..32].to_vec()
    };
    let mut block = [0xee; 16];
    for count in 1..=16u8 {
        block[15] = count;
        let plain = open(Opener::cbc(&key).unwrap(), &raw(block), 3).unwrap();
        assert_eq!(plain, vec![0xee; 16 - usize::from(count)]);
    }
    for count in [0, 17, 0x80, 0xff] {
        block[15] = count;
        assert!(matches!(open(Opener::cbc(&key).unwrap(), &raw(block), 3), Err(CryptoError::Decryption)), "{count}");
    }
    let sealed = seal_cbc(&key, &content(40));
    for length in (0..sealed.len()).filter(|length| length % 16 != 0 || *length < 32) {
        let cut = &sealed[..length];
        assert!(matches!(open(Opener::cbc(&key).unwrap(), cut, 3), Err(CryptoError::Decryption)), "cut to {length}");
    }
}

#[test]
fn oaep_agrees_with_openssl_in_every_pair_of_hash_functions() {
    for bits in [1024, 2048, 3072] {
        let Some((key, folder)) = openssl_key(bits) else {
            return;
        };
        assert_eq!(key.public_key().bits(), bits as usize);
        for (digest, mgf) in
            [(SHA1, SHA1), (SHA256, SHA256), (SHA256, SHA1), (SHA1, SHA256), (HashFunction::Sha384, SHA1)]
        {
            let options = [
                "rsa_padding_mode:oaep".to_owned(),
                format!("rsa_oaep_md:{}", name(digest)),
                format!("rsa_mgf1_md:{}", name(mgf)),
            ];
            let oaep = Oaep { digest, mgf };
            let secret = content(16);
            let theirs = pkeyutl(&folder, "-encrypt", &options, &secret).unwrap();
            assert_eq!(*key.unwrap(oaep, &theirs).unwrap(), secret, "{bits} {oaep:?}");
            let ours = key.public_key().wrap(oaep, &secret).unwrap();
            assert_eq!(pkeyutl(&folder, "-decrypt", &options, &ours).unwrap(), secret, "{bits} {oaep:?}");

            let mut changed = theirs.clone();
            changed[5] ^= 1;
            assert!(matches!(key.unwrap(oaep, &changed), Err(CryptoError::Decryption)));
            assert!(matches!(key.unwrap(oaep, &theirs[1..]), Err(CryptoError::Decryption)));
            assert!(matches!(key.unwrap(oaep, &vec![0xff; theirs.len()]), Err(CryptoError::Decryption)));
            let other = Oaep { digest, mgf: HashFunction::Sha512 };
            assert!(matches!(key.unwrap(other, &theirs), Err(CryptoError::Decryption)));
            assert!(matches!(
                key.public_key().wrap(oaep, &content(bits as usize / 8)),
                Err(CryptoError::Unsupported(_))
            ));
        }
    }
}

#[test]
fn a_wrapped_key_with_any_flaw_is_refused_alike_and_one_without_is_not() {
    let Some((key, _folder)) = openssl_key(2048) else {
        return;
    };
    let public = key.public_key();
    // The first pair is the library's, the second ours.
    for oaep in [Oaep { digest: SHA256, mgf: SHA256 }, Oaep { digest: SHA256, mgf: SHA1 }] {
        for flaw in [Flaw::FirstOctet, Flaw::Label, Flaw::Separator] {
            let wrapped = public.wrap_flawed(oaep, &content(16), flaw).unwrap();
            let refused = key.unwrap(oaep, &wrapped);
            assert!(matches!(refused, Err(CryptoError::Decryption)), "{oaep:?} {flaw:?}: {refused:?}");
        }
        assert_eq!(*key.unwrap(oaep, &public.wrap(oaep, &content(16)).unwrap()).unwrap(), content(16));
    }
}

#[test]
fn signatures_agree_with_openssl() {
    let Some((key, folder)) = openssl_key(2048) else {
        return;
    };
    let message = content(500);
    for hash in [SHA256, HashFunction::Sha384, HashFunction::Sha512] {
        let options = [format!("digest:{}", name(hash))];
        let theirs = pkeyutl(&folder, "-sign", &options, &Digest::of(hash, &message)).unwrap();
        assert_eq!(key.sign(hash, &message).unwrap(), theirs, "PKCS#1 v1.5 is deterministic");
        key.public_key().verify(hash, &message, &theirs).unwrap();
        assert!(matches!(key.public_key().verify(hash, &message[1..], &theirs), Err(CryptoError::Signature)));
        assert!(matches!(key.public_key().verify(SHA1, &message, &theirs), Err(CryptoError::Signature)));
    }
    assert!(matches!(key.sign(SHA1, &message), Err(CryptoError::Unsupported(_))));
}

#[test]
fn short_keys_verify_and_do_not_sign() {
    let Some((key, folder)) = openssl_key(1024) else {
        return;
    };
    let theirs = pkeyutl(&folder, "-sign", &["digest:sha256".to_owned()], &Digest::of(SHA256, b"text")).unwrap();
    key.public_key().verify(SHA256, b"text", &theirs).unwrap();
    assert!(matches!(key.sign(SHA256, b"text"), Err(CryptoError::Unsupported(_))));
}

#[test]
fn public_keys_are_written_as_they_are_read() {
    let Some((key, folder)) = openssl_key(2048) else {
        return;
    };
    let arguments = ["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"];
    let der = Command::new("openssl").current_dir(folder.path()).args(arguments).output().unwrap().stdout;
    assert_eq!(PublicKey::from_spki(&der).unwrap(), key.public_key());
    assert_eq!(key.public_key().spki(), der);
    for length in 0..der.len() {
        assert!(PublicKey::from_spki(&der[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn private_keys_are_read_in_every_form_and_others_are_named() {
    let Some((key, folder)) = openssl_key(2048) else {
        return;
    };
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").current_dir(folder.path()).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{arguments}");
        output.stdout
    };
    for form in ["pkey -in key.pem", "rsa -in key.pem -traditional"] {
        let pem = openssl(form);
        assert_eq!(PrivateKey::from_pem(&pem).unwrap().public_key(), key.public_key());
        let bags = ["Bag Attributes\r\n    friendlyName: ap\r\n".as_bytes(), &pem].concat();
        assert_eq!(PrivateKey::from_pem(&bags).unwrap().public_key(), key.public_key());
        let der = openssl(&format!("{form} -outform DER"));
        assert_eq!(PrivateKey::from_der(&der).unwrap().public_key(), key.public_key());
    }
    let refused = |pem: Vec<u8>| PrivateKey::from_pem(&pem).unwrap_err().to_string();
    assert!(refused(openssl("pkcs8 -topk8 -in key.pem -passout pass:secret")).contains("encrypted"));
    assert!(refused(openssl("rsa -in key.pem -traditional -aes128 -passout pass:secret")).contains("encrypted"));
    assert!(refused(openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")).contains("EC key"));
    assert!(refused(openssl("pkey -in key.pem -pubout")).contains("public key"));
    assert!(refused(b"hello".to_vec()).contains("no PEM"));
    let der = openssl("pkcs8 -topk8 -in key.pem -passout pass:secret -outform DER");
    assert!(PrivateKey::from_der(&der).unwrap_err().to_string().contains("encrypted"));
    assert_eq!(format!("{key:?}"), "PrivateKey");
}

#[test]
fn weak_exponents_and_even_moduli_are_refused() {
    let modulus = [0xc1; 256];
    assert!(PublicKey::from_numbers(&modulus, &[3]).is_ok());
    assert!(PublicKey::from_numbers(&modulus, &[0, 1, 0, 1]).is_ok());
    for exponent in [&[][..], &[0], &[1], &[2], &[4], &[2, 0, 0, 0, 1], &[1; 300]] {
        assert!(matches!(PublicKey::from_numbers(&modulus, exponent), Err(CryptoError::Key(_))), "{exponent:?}");
    }
    let mut even = modulus;
    even[255] = 2;
    for modulus in [&even[..], &[], &[3; 63], &[3; 1025]] {
        assert!(matches!(PublicKey::from_numbers(modulus, &[3]), Err(CryptoError::Key(_))));
    }
}

#[test]
fn comparing_and_hexadecimal() {
    assert!(equal(b"abc", b"abc") && equal(b"", b""));
    assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab"));
    assert_eq!(hex(&[0, 0x0f, 0xf0, 0xff]), "000ff0ff");
}

#[test]
fn ciphers_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Opener>();
    moves::<GcmWriter<Vec<u8>>>();
    moves::<CbcWriter<Vec<u8>>>();
    moves::<PrivateKey>();
}

fn shared(path: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("SLUSS_SHARED").map(std::path::PathBuf::from);
    let path = folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into()).join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

/// The first value between two marks, without white space and character references of line ends.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn session_keys_that_domibus_wrapped_are_unwrapped() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let (Some(keys), Some(envelopes)) = (shared("vectors/keys/domibus-gateway.p12"), shared("vectors/keyref")) else {
        return;
    };
    let arguments = ["pkcs12", "-legacy", "-passin", "pass:test123", "-nodes", "-nocerts", "-in"];
    let Ok(output) = Command::new("openssl").args(arguments).arg(keys).output() else {
        return println!("skipped: openssl is not here");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let key = PrivateKey::from_pem(text.split_once("friendlyName: red_gw").unwrap().1.as_bytes()).unwrap();
    for (file, expected) in
        [("bst_x509v3", "9c85a48fb2182e4f533b5e6d2b096f02"), ("ski", "f27c9ca65081e277e85987468b4f11de")]
    {
        let xml = fs::read_to_string(envelopes.join(file).with_extension("xml")).unwrap();
        let encrypted = between(&xml, "EncryptedKey", "</xenc:EncryptedKey>");
        let value = between(encrypted, "CipherValue>", "</xenc:CipherValue>").replace("&#xd;", "");
        let wrapped = STANDARD.decode(value.split_whitespace().collect::<String>()).unwrap();
        let mgf = if encrypted.contains("mgf1sha256") { SHA256 } else { SHA1 };
        let secret = key.unwrap(Oaep { digest: SHA256, mgf }, &wrapped).unwrap();
        assert_eq!(hex(&secret), expected, "{file}");
    }
}

/// Any bytes may come; none may stop the program.
#[test]
fn damaged_keys_and_texts_are_refused_quietly() {
    let Some((key, folder)) = openssl_key(1024) else { return };
    let pem = fs::read(folder.path().join("key.pem")).unwrap();
    let der = pem::sections(&pem).remove(0).content.unwrap();
    for at in 0..der.len() {
        for value in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
            let mut changed = der.to_vec();
            changed[at] = value;
            let _ = PrivateKey::from_der(&changed);
            let _ = PublicKey::from_spki(&changed);
            let _ = PrivateKey::from_der(&der[..at]);
        }
    }
    let spki = key.public_key().spki();
    for at in 0..spki.len() {
        for value in [0, 1, 0x80, 0x82, 0xff] {
            let mut changed = spki.clone();
            changed[at] = value;
            let _ = PublicKey::from_spki(&changed).map(|key| key.verify(SHA256, b"", &[0; 128]));
        }
    }
    for text in
        ["-----BEGIN PRIVATE KEY-----", "-----BEGIN -----", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"]
    {
        assert!(PrivateKey::from_pem(text.as_bytes()).is_err());
    }
}

#[test]
#[ignore = "measures"]
fn speed() {
    let timed = |name: &str, amount: f64, unit: &str, run: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        run();
        println!("{name}: {:.1} {unit}/s", amount / start.elapsed().as_secs_f64());
    };
    let plain = vec![7; 64 << 20];
    timed("gcm seal", 64.0, "MiB", &mut || drop(seal_gcm(&[1; 16], &[2; 12], &plain)));
    let sealed = seal_gcm(&[1; 16], &[2; 12], &plain);
    timed("gcm open", 64.0, "MiB", &mut || {
        let (mut opener, mut out) = (Opener::gcm(&[1; 16]).unwrap(), Vec::new());
        for piece in sealed.chunks(64 << 10) {
            out.clear();
            opener.update(piece, &mut out).unwrap();
        }
        opener.finish(&mut out).unwrap();
    });
    timed("cbc seal", 64.0, "MiB", &mut || drop(seal_cbc(&[1; 32], &plain)));
    let sealed = seal_cbc(&[1; 32], &plain);
    timed("cbc open", 64.0, "MiB", &mut || drop(open(Opener::cbc(&[1; 32]).unwrap(), &sealed, 64 << 10)));
    let Some((key, _folder)) = openssl_key(3072) else { return };
    let signature = key.sign(SHA256, b"text").unwrap();
    timed("sign 3072", 50.0, "", &mut || (0..50).for_each(|_| drop(key.sign(SHA256, b"text"))));
    timed("verify 3072", 50.0, "", &mut || {
        (0..50).for_each(|_| key.public_key().verify(SHA256, b"text", &signature).unwrap())
    });
    for mgf in [SHA256, SHA1] {
        let oaep = Oaep { digest: SHA256, mgf };
        let wrapped = key.public_key().wrap(oaep, &[5; 16]).unwrap();
        timed(&format!("unwrap 3072 {mgf:?}"), 10.0, "", &mut || {
            (0..10).for_each(|_| drop(key.unwrap(oaep, &wrapped).unwrap()))
        });
        timed(&format!("wrap 3072 {mgf:?}"), 10.0, "", &mut || {
            (0..10).for_each(|_| drop(key.public_key().wrap(oaep, &[5; 16])))
        });
    }
}
