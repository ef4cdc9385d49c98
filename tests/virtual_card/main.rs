//! What a person, a program or an attacker does with the virtual card, in the bytes of the specification.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod chip;
mod files;
mod images;
mod personalise;
mod pin;
mod reader;
mod sign;

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, TestCa};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::x509::X509;
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-23 15:00 UTC);
const SELECT_MF: &str = "00A4040C07D2760001448000";
const SELECT_HCA: &str = "00A4040C06D27600000102";
const SELECT_ESIGN: &str = "00A4040C0AA000000167455349474E";
const RIGHT_PIN: &str = "002000020826123456FFFFFFFF";
const WRONG_PIN: &str = "002000020826654321FFFFFFFF";
const STATUS: &str = "80200002";
const CHOOSE_KEY: &str = "002241B606840184800100";
const SIGN: &str = "002A9E9A20BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00";

/// The same random numbers in every run.
struct Dice(u64);

impl TryRng for Dice {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.try_next_u64()?.to_be_bytes().into_iter().fold(0, |number, byte| number << 8 | u32::from(byte)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Dice {}

fn erika() -> Blueprint {
    let iccsn = Some("80276999995070683853".to_owned());
    Blueprint { iccsn, ..Blueprint::new("A123456780".parse().unwrap(), "Erika", "Müstermann") }
}

fn image(blueprint: &Blueprint) -> String {
    kartenbund::virtual_card::personalise::personalise(blueprint, &TestCa::built_in().unwrap(), &mut Dice(0), NOW)
        .unwrap()
}

fn card() -> VirtualCard {
    VirtualCard::load(&image(&erika())).unwrap()
}

/// Sends one command and gives the answer, both in hexadecimal; blanks are for the reader.
fn send(card: &mut VirtualCard, command: &str) -> String {
    hex::encode_upper(card.execute(&hex::decode(command.replace(' ', "")).unwrap()))
}

/// Sends commands; each must be answered as its line says.
fn play(card: &mut VirtualCard, lines: &[(&str, &str)]) {
    for (number, (command, answer)) in lines.iter().enumerate() {
        assert_eq!(send(card, command), answer.replace(' ', ""), "line {number}: {command}");
    }
}

fn file(card: &mut VirtualCard, select: &str, sfi: u8) -> Vec<u8> {
    assert_eq!(send(card, select), "9000");
    let mut answer = card.execute(&[0x00, 0xB0, 0x80 | sfi, 0x00, 0x00, 0x00, 0x00]);
    assert_eq!(answer.split_off(answer.len() - 2), [0x90, 0x00]);
    answer
}

fn openssl_verifies(certificate: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let key = X509::from_der(certificate).unwrap().public_key().unwrap().ec_key().unwrap();
    let (r, s) = signature.split_at(32);
    let signature = EcdsaSig::from_private_components(BigNum::from_slice(r).unwrap(), BigNum::from_slice(s).unwrap());
    signature.unwrap().verify(hash, &key).unwrap()
}
