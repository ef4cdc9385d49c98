//! The service's share in the device PIN: a verifiable oblivious pseudorandom function (RFC 9497, mode VOPRF,
//! ristretto255-SHA512). Whoever has an input learns the function's value for it, and that it was computed with the share
//! whose public key he pinned; the service learns nothing about the input.
//!
//! Elements and proofs travel as bytes and are looked at where they are used. Blinding is a random factor: two
//! evaluations of one input look like those of two.

use std::fmt;

use ::voprf::{BlindedElement, EvaluationElement, Group, Ristretto255, VoprfClient, VoprfServer};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::jose::base64url;
use crate::secret::{SecretBytes, masked};

/// Context of the share's key (RFC 9497, 3.2.1).
const INFO: &[u8] = b"kartenbund/pin/v1";

/// An element of the group, as it travels: 32 bytes, nothing is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Element(#[serde(with = "base64url")] [u8; 32]);

/// That an element was evaluated with the share of a public key: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proof(#[serde(with = "base64url")] [u8; 64]);

/// What the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The blinded element, evaluated.
    pub evaluated: Element,
    /// That it was evaluated with the share.
    pub proof: Proof,
}

/// Why a value is not had.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VoprfError {
    /// The input has no element: it never happens.
    #[error("the input cannot be blinded")]
    Input,
    /// The answer was not made with the share of the pinned public key.
    #[error("the evaluation is not by the pinned share")]
    Proof,
}

impl Element {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Element {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// As in JSON.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

/// An input that was blinded, kept until the answer is there.
pub struct Blinding {
    client: VoprfClient<Ristretto255>,
    input: Zeroizing<Vec<u8>>,
}

masked!(Blinding, Share);

impl Blinding {
    /// Blinds `input`; gives what is sent to the service.
    ///
    /// # Errors
    /// [`VoprfError::Input`].
    pub fn new(input: Zeroizing<Vec<u8>>, rng: &mut dyn CryptoRng) -> Result<(Self, Element), VoprfError> {
        let blinded = VoprfClient::blind(&input, &mut Rng06(rng)).map_err(|_| VoprfError::Input)?;
        let element = Element(blinded.message.serialize().into());
        Ok((Self { client: blinded.state, input }, element))
    }

    /// Checks the answer against the pinned public key; gives the function's value.
    ///
    /// # Errors
    /// [`VoprfError::Proof`].
    pub fn finish(&self, public_key: &Element, evaluation: &Evaluation) -> Result<SecretBytes<64>, VoprfError> {
        let public_key = Ristretto255::deserialize_elem(&public_key.0).map_err(|_| VoprfError::Proof)?;
        let evaluated = EvaluationElement::deserialize(&evaluation.evaluated.0).map_err(|_| VoprfError::Proof)?;
        let proof = ::voprf::Proof::deserialize(&evaluation.proof.0).map_err(|_| VoprfError::Proof)?;
        let output = self.client.finalize(&self.input, &evaluated, &proof, public_key);
        let mut output = output.map_err(|_| VoprfError::Proof)?;
        let value = SecretBytes::written(|out| out.iter_mut().zip(&output).for_each(|(to, from)| *to = *from));
        output.iter_mut().zeroize();
        Ok(value)
    }
}

/// A blinded element that is one, and not the identity. Only [`Blinded::parse`] makes one.
#[derive(Debug)]
pub struct Blinded(BlindedElement<Ristretto255>);

impl Blinded {
    /// Looks at an element; `None` when it is none of the group, or the identity.
    pub fn parse(element: &Element) -> Option<Self> {
        BlindedElement::deserialize(&element.0).ok().map(Self)
    }
}

/// The service's share: the function's key.
pub struct Share(VoprfServer<Ristretto255>);

impl Share {
    /// The share that follows from 32 random bytes. `None` when none does: it never happens.
    pub fn of(seed: &SecretBytes<32>) -> Option<Self> {
        VoprfServer::new_from_seed(seed.expose(), INFO).ok().map(Self)
    }

    /// Its public key.
    pub fn public_key(&self) -> Element {
        Element(Ristretto255::serialize_elem(self.0.get_public_key()).into())
    }

    /// Evaluates an element, with the proof for it.
    pub fn evaluate(&self, blinded: &Blinded, rng: &mut dyn CryptoRng) -> Evaluation {
        let evaluated = self.0.blind_evaluate(&mut Rng06(rng), &blinded.0);
        Evaluation {
            evaluated: Element(evaluated.message.serialize().into()),
            proof: Proof(evaluated.proof.serialize().into()),
        }
    }
}

/// Randomness in the form that the crate of the function takes.
struct Rng06<'a>(&'a mut dyn CryptoRng);

impl rand_core_06::RngCore for Rng06<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Rng06<'_> {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Gives the bytes it has, and zeros behind them: what a scalar is taken from has 64 bytes, the smallest first.
    struct Known(Vec<u8>);

    impl rand_core::TryRng for Known {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }

        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
            dst.fill(0);
            dst.iter_mut().zip(&self.0).for_each(|(to, from)| *to = *from);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Known {}

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 9497, A.1.2: what all its vectors have in common.
    const SEED: [u8; 32] = [0xA3; 32];
    const KEY_INFO: &[u8] = b"test key";
    const PUBLIC_KEY: &str = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";
    const BLIND: &str = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
    const PROOF_SCALAR: &str = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e";

    fn published() -> Share {
        Share(VoprfServer::new_from_seed(&SEED, KEY_INFO).unwrap())
    }

    /// Input, blinded element, evaluated element, proof, output of its vectors 1 and 2.
    const VECTORS: [[&str; 5]; 2] = [
        [
            "00",
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe\
             857a40bce4cf49ec600d",
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b4\
             30948dd50cde10d32b3c",
        ],
        [
            "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
            "cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",
            "60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",
            "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a67154fabf031fd936051dec80b0b6ae29c9503493dde\
             7393b722eafdf5a50b02",
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994\
             985890e5f539e7ea74b6",
        ],
    ];

    #[test]
    fn the_published_vectors_come_out() {
        assert_eq!(published().public_key(), Element(bytes(PUBLIC_KEY)));
        for [input, blinded, evaluated, proof, output] in VECTORS {
            let input = Zeroizing::new(hex::decode(input).unwrap());
            let (blinding, element) = Blinding::new(input, &mut Known(hex::decode(BLIND).unwrap())).unwrap();
            assert_eq!(element, Element(bytes(blinded)));
            let evaluation = published()
                .evaluate(&Blinded::parse(&element).unwrap(), &mut Known(hex::decode(PROOF_SCALAR).unwrap()));
            assert_eq!(evaluation.evaluated, Element(bytes(evaluated)));
            assert_eq!(evaluation.proof, Proof(bytes(proof)));
            let value = blinding.finish(&Element(bytes(PUBLIC_KEY)), &evaluation).unwrap();
            assert_eq!(hex::encode(value.expose()), output);
        }
    }

    fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
        rand_core::UnwrapErr(getrandom::SysRng)
    }

    #[test]
    fn an_answer_by_another_share_or_changed_in_any_byte_is_refused() {
        let [share, other] = [1, 2].map(|seed| Share::of(&SecretBytes::written(|out| out.fill(seed))).unwrap());
        let (blinding, element) = Blinding::new(Zeroizing::new(b"input".to_vec()), &mut rng()).unwrap();
        let blinded = Blinded::parse(&element).unwrap();
        let honest = share.evaluate(&blinded, &mut rng());
        let finish = |public_key, evaluation| blinding.finish(&public_key, &evaluation).map(|value| *value.expose());
        let value = finish(share.public_key(), honest).unwrap();
        let strange = other.evaluate(&blinded, &mut rng());
        assert_eq!(finish(share.public_key(), strange), Err(VoprfError::Proof));
        assert_ne!(finish(other.public_key(), strange), Ok(value));
        for at in 0..32 {
            let mut forged = honest;
            forged.evaluated.0[at] ^= 1;
            assert_eq!(finish(share.public_key(), forged), Err(VoprfError::Proof), "element, byte {at}");
            let mut public_key = share.public_key();
            public_key.0[at] ^= 1;
            assert_eq!(finish(public_key, honest), Err(VoprfError::Proof), "public key, byte {at}");
        }
        for at in 0..64 {
            let mut forged = honest;
            forged.proof.0[at] ^= 1;
            assert_eq!(finish(share.public_key(), forged), Err(VoprfError::Proof), "proof, byte {at}");
        }
    }

    #[test]
    fn the_identity_and_what_is_no_element_are_none() {
        assert!(Blinded::parse(&Element([0; 32])).is_none(), "the identity");
        // RFC 9496, A.3: a field element that is not canonical, a negative one, and one without a point.
        for bad in [
            "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
        ] {
            assert!(Blinded::parse(&Element(bytes(bad))).is_none(), "{bad}");
        }
    }

    #[test]
    fn two_blindings_of_one_input_have_nothing_in_common_and_one_value() {
        let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
        let value = || {
            let (blinding, element) = Blinding::new(Zeroizing::new(b"271828".to_vec()), &mut rng()).unwrap();
            let evaluation = share.evaluate(&Blinded::parse(&element).unwrap(), &mut rng());
            (element, *blinding.finish(&share.public_key(), &evaluation).unwrap().expose())
        };
        let (first, second) = (value(), value());
        assert_ne!(first.0, second.0);
        assert_eq!(first.1, second.1);
    }

    #[test]
    fn neither_share_nor_blinding_prints() {
        let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
        let (blinding, _) = Blinding::new(Zeroizing::new(b"271828".to_vec()), &mut rng()).unwrap();
        assert_eq!(format!("{share:?} {blinding:?}"), "Share(***) Blinding(***)");
    }
}
