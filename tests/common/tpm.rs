//! A TPM in software: it says whatever it is told to say, which no real one does. Only its endorsement key is as good as a
//! real one, where a maker has certified it. And makers.

use kartenbund::pki::endorsement::TpmRoots;
use kartenbund::protocol::api::{AttestationAnswer, AttestationRequest, Credential};
use kartenbund::protocol::attestation::{Attestation, qualifying_data};
use kartenbund::protocol::service::RegistrationChallenge;
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Builder, X509Extension, X509NameBuilder};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::EncodePublicKey as _;
use sha2::{Digest as _, Sha256};

pub use super::tpm_bytes::{certify_info, name_of, public_area};
use super::*;

/// Attributes of device keys and attestation keys.
pub const DEVICE_KEY: u32 = 0x0004_0472;
pub const ATTESTATION_KEY: u32 = 0x0005_0472;
pub const EK_CERTIFICATE: &str = "2.23.133.8.1";

/// A maker of TPMs.
pub struct Maker {
    key: PKey<Private>,
    certificate: X509,
}

impl Maker {
    pub fn new() -> Self {
        Self::on(Nid::X9_62_PRIME256V1, "Maker")
    }

    /// One whose CA has a key on this curve.
    pub fn on(curve: Nid, name: &str) -> Self {
        let key = EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
        Self::with(PKey::from_ec_key(key).unwrap(), name)
    }

    /// One whose CA has a key of RSA.
    pub fn of_rsa() -> Self {
        Self::with(PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap(), "Maker")
    }

    fn with(key: PKey<Private>, name: &str) -> Self {
        let mut builder = begun(name, name);
        builder.set_pubkey(&key).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().build().unwrap()).unwrap();
        builder.sign(&key, digest_of(&key)).unwrap();
        Self { key, certificate: builder.build() }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// What an operator who trusts this maker has configured.
    pub fn roots(&self) -> TpmRoots {
        let mut roots = TpmRoots::default();
        roots.add_pem(&self.pem()).unwrap();
        roots
    }

    /// The certificate of an endorsement key.
    pub fn certify(&self, key: &p256::PublicKey) -> Vec<u8> {
        self.certify_for(key, KeyUsage::new().critical().key_agreement(), EK_CERTIFICATE)
    }

    /// A certificate for something else.
    pub fn certify_for(&self, key: &p256::PublicKey, usage: &mut KeyUsage, extended: &str) -> Vec<u8> {
        self.signed(key.to_public_key_der().unwrap().as_bytes(), false, usage, extended, None)
    }

    /// A certificate of somebody who may issue some, or says so.
    pub fn certify_ca(&self, key: &p256::PublicKey, is_ca: bool, usage: &mut KeyUsage) -> Vec<u8> {
        self.signed(key.to_public_key_der().unwrap().as_bytes(), is_ca, usage, EK_CERTIFICATE, None)
    }

    /// A certificate with one more critical extension.
    pub fn certify_with(&self, key: &p256::PublicKey, critical: &str) -> Vec<u8> {
        let usage = &mut KeyUsage::new();
        let spki = key.to_public_key_der().unwrap();
        self.signed(spki.as_bytes(), false, usage.key_agreement(), EK_CERTIFICATE, Some(critical))
    }

    /// The certificate of an endorsement key of any kind.
    pub fn certify_spki(&self, spki: &[u8]) -> Vec<u8> {
        self.signed(spki, false, KeyUsage::new().critical().key_agreement(), EK_CERTIFICATE, None)
    }

    /// Its own public key.
    pub fn spki(&self) -> Vec<u8> {
        self.key.public_key_to_der().unwrap()
    }

    fn signed(
        &self,
        spki: &[u8],
        is_ca: bool,
        usage: &mut KeyUsage,
        extended: &str,
        critical: Option<&str>,
    ) -> Vec<u8> {
        let mut builder = begun("", "Maker");
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.set_pubkey(&PKey::public_key_from_der(spki).unwrap()).unwrap();
        let mut constraints = BasicConstraints::new();
        if is_ca {
            constraints.ca();
        }
        builder.append_extension(constraints.critical().build().unwrap()).unwrap();
        builder.append_extension(usage.build().unwrap()).unwrap();
        // Maker and model, as real ones have them: a directory name (2.23.133.2.1) in a critical extension.
        let model = b"0\x1C\xA4\x1A0\x181\x160\x14\x06\x05g\x81\x05\x02\x01\x0C\x0Bid:4B415254";
        let model = Asn1OctetString::new_from_bytes(model).unwrap();
        let name = Asn1Object::from_str("2.5.29.17").unwrap();
        builder.append_extension(X509Extension::new_from_der(&name, true, &model).unwrap()).unwrap();
        builder.append_extension(ExtendedKeyUsage::new().other(extended).build().unwrap()).unwrap();
        if let Some(id) = critical {
            let (id, value) = (Asn1Object::from_str(id).unwrap(), Asn1OctetString::new_from_bytes(&[5, 0]).unwrap());
            builder.append_extension(X509Extension::new_from_der(&id, true, &value).unwrap()).unwrap();
        }
        builder.sign(&self.key, digest_of(&self.key)).unwrap();
        builder.build().to_der().unwrap()
    }
}

fn digest_of(key: &PKey<Private>) -> MessageDigest {
    if key.bits() == 384 { MessageDigest::sha384() } else { MessageDigest::sha256() }
}

/// A certificate that is valid from a year before the stories on, for ten years.
fn begun(subject: &str, issuer: &str) -> X509Builder {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        if !text.is_empty() {
            name.append_entry_by_text("CN", text).unwrap();
        }
        name.build()
    };
    let year = 365 * 24 * 60 * 60;
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(NOW.unix_timestamp() - year).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(NOW.unix_timestamp() + 9 * year).unwrap()).unwrap();
    builder
}

/// The TPM.
pub struct SoftTpm {
    pub endorsement_key: p256::SecretKey,
    pub certificate: Vec<u8>,
    pub attestation_key: SigningKey,
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    parts.iter().for_each(|part| signer.update(part).unwrap());
    signer.sign_to_vec().unwrap()
}

impl SoftTpm {
    pub fn by(maker: &Maker) -> Self {
        let endorsement_key = p256::SecretKey::generate_from_rng(&mut rng());
        let certificate = maker.certify(&endorsement_key.public_key());
        Self { endorsement_key, certificate, attestation_key: SigningKey::generate_from_rng(&mut rng()) }
    }

    pub fn ak_public(&self) -> Vec<u8> {
        public_area(self.attestation_key.verifying_key(), ATTESTATION_KEY)
    }

    /// Asks the service for a credential.
    pub fn ask(&self, computer: &Computer, registration: &RegistrationChallenge) -> Option<Credential> {
        self.ask_with(computer, registration, self.ak_public())
    }

    pub fn ask_with(
        &self,
        computer: &Computer,
        registration: &RegistrationChallenge,
        ak_public: Vec<u8>,
    ) -> Option<Credential> {
        let request = AttestationRequest { ek_certificate: self.certificate.clone(), ak_public };
        let path = format!("/v1/registrations/{}/attestation", registration.registration_id);
        computer.here.service.call::<_, AttestationAnswer>(Method::POST, &path, &request).unwrap().credential
    }

    /// TPM2_ActivateCredential, by OpenSSL and by the letter of the specification (part 1, 24 and C.6.4); `None` where a
    /// real TPM answers with an error: the credential is not for this endorsement key, or not for an object of this name.
    pub fn activate(&self, credential: &Credential, name: &[u8]) -> Option<Vec<u8>> {
        let (x, y) = (&credential.encrypted_secret[2..34], &credential.encrypted_secret[36..68]);
        let point = p256::PublicKey::from_sec1_bytes(&[&[4], x, y].concat()).unwrap();
        let shared =
            p256::elliptic_curve::ecdh::diffie_hellman(self.endorsement_key.to_nonzero_scalar(), point.as_affine());
        let own = VerifyingKey::from(self.endorsement_key.public_key()).to_sec1_point(false);
        let seed = Sha256::new()
            .chain_update([0, 0, 0, 1])
            .chain_update(shared.raw_secret_bytes())
            .chain_update(b"IDENTITY\0")
            .chain_update(x)
            .chain_update(own.x().unwrap())
            .finalize();
        let (mac, identity) = (&credential.blob[2..34], &credential.blob[34..]);
        let mac_key = hmac(&seed, &[&[0, 0, 0, 1], b"INTEGRITY\0", &[0, 0, 1, 0]]);
        if hmac(&mac_key, &[identity, name]) != mac {
            return None;
        }
        let key = hmac(&seed, &[&[0, 0, 0, 1], b"STORAGE\0", name, &[0, 0, 0, 128]]);
        let opened = decrypt(Cipher::aes_128_cfb128(), &key[..16], Some(&[0; 16]), identity).unwrap();
        assert_eq!(&opened[..2], [0, 32]);
        Some(opened[2..].to_vec())
    }

    /// What an honest TPM says of a key.
    pub fn attest(&self, secret: Vec<u8>, registration: &RegistrationChallenge, key: &SigningKey) -> Attestation {
        let public = public_area(key.verifying_key(), DEVICE_KEY);
        let RegistrationChallenge { aud, registration_id, challenge, .. } = registration;
        let certify_info = certify_info(&qualifying_data(aud, *registration_id, *challenge), &name_of(&public));
        self.sign(secret, public, certify_info)
    }

    /// What this one says if it is told to.
    pub fn sign(&self, secret: Vec<u8>, public: Vec<u8>, certify_info: Vec<u8>) -> Attestation {
        let signature: Signature = self.attestation_key.sign(&certify_info);
        Attestation { secret, public, certify_info, signature: signature.to_bytes().to_vec() }
    }
}
