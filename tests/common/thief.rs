//! Whoever has a copy of somebody's device file.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use kartenbund::client::home::Device;
use kartenbund::device_key::{Blinded, DeviceKeyError, Evaluated, PinAnswer};
use kartenbund::jose::{base64url, jws};
use kartenbund::protocol::api::{PinEvaluated, PinRequest};
use kartenbund::protocol::pin::{PinChange, PinConfirmation, PinEvaluation};
use kartenbund::protocol::{DeviceId, VERSION};
use kartenbund::secret::SecretBytes;
use kartenbund::voprf::{Blinding, Element, Evaluation, Share};

use super::*;

/// A thief with a copy of the device file, and nothing else: no session, no card, no PIN.
pub struct Thief {
    pub device: Device,
    pub remote: Remote,
    pub aud: String,
    pub clock: ManualClock,
}

/// An element that nobody knows the input of.
pub fn any_element() -> Element {
    let mut input = vec![0; 16];
    rand_core::Rng::fill_bytes(&mut rng(), &mut input);
    Blinding::new(input.into(), &mut rng()).unwrap().1
}

pub fn device_pin(digits: &str) -> DevicePin {
    DevicePin::parse(&typed(digits)).unwrap()
}

impl Thief {
    pub fn of(computer: &Computer) -> Self {
        let profile = &computer.here.profile;
        let device = computer.here.home.device().unwrap();
        let (remote, aud) = (Remote::at(&profile.service).unwrap(), profile.service.clone());
        Self { device, remote, aud, clock: computer.clock.clone() }
    }

    pub fn id(&self) -> DeviceId {
        self.device.device_id().unwrap()
    }

    /// Tries a PIN as the program does, up to the key itself.
    pub fn guess(&self, digits: &str) -> Result<(Result<PinAnswer, DeviceKeyError>, i64), ServiceError> {
        let (pending, blinded) =
            self.device.key.lock(None, "device:/nowhere").begin(&device_pin(digits), &mut rng()).unwrap();
        let Blinded::Element { blinded, .. } = blinded else { panic!("the service has a share") };
        let PinEvaluated { evaluated, proof, tries_left, .. } = self.evaluate(blinded)?;
        Ok((pending.finish(&Evaluated::Element(Evaluation { evaluated, proof })), tries_left))
    }

    /// Spends a try on nothing in particular.
    pub fn spend(&self) -> Result<PinEvaluated, ServiceError> {
        self.evaluate(any_element())
    }

    pub fn evaluate(&self, blinded: Element) -> Result<PinEvaluated, ServiceError> {
        self.send("evaluate", self.signed(&self.evaluation(blinded)))
    }

    pub fn evaluation(&self, blinded: Element) -> PinEvaluation {
        PinEvaluation {
            v: VERSION,
            aud: self.aud.clone(),
            device_id: self.id(),
            voprf_pk: self.device.key.voprf_pk().unwrap(),
            blinded,
            iat: self.clock.now(),
        }
    }

    /// A confirmation as the owner's program makes it.
    pub fn confirmation(&self, attempt: &PinEvaluated) -> PinConfirmation {
        let (aud, device_id, iat) = (self.aud.clone(), self.id(), self.clock.now());
        PinConfirmation { v: VERSION, aud, device_id, attempt_id: attempt.attempt_id, iat }
    }

    /// A wish for another share as the owner's program makes it.
    pub fn change(&self, blinded: Element) -> PinChange {
        PinChange {
            v: VERSION,
            aud: self.aud.clone(),
            device_id: self.id(),
            voprf_pk: self.device.key.voprf_pk(),
            blinded,
            iat: self.clock.now(),
        }
    }

    /// Signs with the key that lies open in the file.
    pub fn signed<M: jws::Message<Algorithm = kartenbund::jose::Es256>>(&self, message: &M) -> String {
        jws::sign(message, &self.device.key.transport_key().unwrap()).unwrap()
    }

    pub fn send<T: serde::de::DeserializeOwned>(&self, what: &str, message: String) -> Result<T, ServiceError> {
        let path = format!("/v1/devices/{}/pin/{what}", self.id());
        self.remote.call(Method::POST, &path, &PinRequest { message })
    }
}

/// The share as whoever has the key file, too, unwraps it.
pub fn stolen_share(world: &World) -> Share {
    let file = std::fs::read(world.folder.path().join("service").join("service-keys.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let key = base64url::decode(file["share_keys"][0]["key"].as_str().unwrap()).unwrap();
    let column = |name| base64url::decode(&world.column(format!("SELECT {name} FROM pin_share"))[0]).unwrap();
    let (wrapped, voprf_pk) = (column("wrapped"), column("voprf_pk"));
    let nonce: [u8; 12] = wrapped[..12].try_into().unwrap();
    let seed = Aes256Gcm::new_from_slice(&key)
        .unwrap()
        .decrypt(&Nonce::from(nonce), Payload { msg: &wrapped[12..], aad: &voprf_pk })
        .unwrap();
    Share::of(&SecretBytes::written(|out| out.copy_from_slice(&seed))).unwrap()
}
