//! CPU time of this side of a contactless session, with the card's answers taken from a recording made at the start, and
//! of OpenSSL for the same curve operations. `docs/performance.md` holds a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, dead_code)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::convert::Infallible;

use common::{CARD_PIN, ERIKA, blueprint, ca, image_by, rng, typed};
use criterion::{Criterion, criterion_group, criterion_main};
use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::egk::{ApduLength, Egk, LastTry, PinAnswer, PinStatus};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, Pin};
use kartenbund::virtual_card::VirtualCard;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint};
use openssl::nid::Nid;
use rand_core::{TryCryptoRng, TryRng};

/// The same ephemeral keys in every run, so that the recorded answers fit.
struct Same(u8);

impl TryRng for Same {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(17);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Same {}

/// Keeps what the card answers.
struct Recorder {
    card: VirtualCard,
    answers: Vec<ResponseApdu>,
}

impl CardChannel for Recorder {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        self.answers.push(answer.clone());
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        unreachable!("nothing resets the card")
    }
}

/// Answers from the recording. What is sent is encoded for the line, and goes nowhere.
struct Tape<'a>(std::slice::Iter<'a, ResponseApdu>);

impl CardChannel for Tape<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        std::hint::black_box(command.to_bytes());
        Ok(self.0.next().expect("the recording goes on").clone())
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        unreachable!("nothing resets the card")
    }
}

fn secure<C: CardChannel>(channel: C) -> Egk<C> {
    let mut egk = Egk::open(channel, ApduLength::Extended).unwrap();
    let can = Can::parse(&typed("123123")).unwrap();
    egk.open_contactless(&can, &mut Same(1)).unwrap();
    egk
}

/// Card number, insurance data, certificate, and the PIN.
fn session<C: CardChannel>(channel: C) -> Egk<C> {
    let mut egk = secure(channel);
    let files = egk.read_files().unwrap();
    std::hint::black_box(&files);
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("the PIN is not usable") };
    let pin = Pin::parse(&typed(CARD_PIN)).unwrap();
    let attempt = tries.attempt(LastTry::Refused).unwrap();
    assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), PinAnswer::Accepted);
    egk
}

/// What the reader's side of PACE computes on the curve: a key on the generator, H = sk1·PK1', s·G + H, a key on the mapped
/// generator, and the agreement; two points are checked to lie on the curve.
struct OpenSsl {
    group: EcGroup,
    context: BigNumContext,
    mapping: BigNum,
    agreement: BigNum,
    nonce: BigNum,
    card: Vec<u8>,
}

impl OpenSsl {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
        let context = BigNumContext::new().unwrap();
        let number = |byte| BigNum::from_slice(&[byte; 32]).unwrap();
        let mut point = EcPoint::new(&group).unwrap();
        point.mul_generator2(&group, &number(0x55), &mut BigNumContext::new().unwrap()).unwrap();
        let uncompressed = openssl::ec::PointConversionForm::UNCOMPRESSED;
        let card = point.to_bytes(&group, uncompressed, &mut BigNumContext::new().unwrap()).unwrap();
        let nonce = BigNum::from_slice(&[0x42; 16]).unwrap();
        Self { group, context, mapping: number(0x33), agreement: number(0x44), nonce, card }
    }

    fn pace(&mut self) {
        let Self { group, context, mapping, agreement, nonce, card } = self;
        let point = || EcPoint::new(group).unwrap();
        let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
        let mut own = point();
        own.mul_generator2(group, mapping, context).unwrap();
        std::hint::black_box(own.to_bytes(group, form, context).unwrap());
        let card = EcPoint::from_bytes(group, card, context).unwrap();
        let (mut shared, mut mapped, mut generator) = (point(), point(), point());
        shared.mul2(group, &card, mapping, context).unwrap();
        mapped.mul_generator2(group, nonce, context).unwrap();
        generator.add(group, &mapped, &shared, context).unwrap();
        own.mul2(group, &generator, agreement, context).unwrap();
        std::hint::black_box(own.to_bytes(group, form, context).unwrap());
        assert!(card.is_on_curve(group, context).unwrap());
        shared.mul2(group, &card, agreement, context).unwrap();
        std::hint::black_box(shared.to_bytes(group, form, context).unwrap());
    }
}

fn contactless(criterion: &mut Criterion) {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let card = VirtualCard::load_contactless(&image, &mut rng()).unwrap();
    let answers = session(Recorder { card, answers: Vec::new() }).into_channel().answers;
    let mut group = criterion.benchmark_group("reader's side");
    let mut openssl = OpenSsl::new();
    group.bench_function("PACE", |bench| bench.iter(|| secure(Tape(answers.iter()))));
    group.bench_function("PACE, its curve operations in OpenSSL", |bench| bench.iter(|| openssl.pace()));
    group.bench_function("contactless session: PACE, files, PIN", |bench| bench.iter(|| session(Tape(answers.iter()))));
    group.finish();
}

criterion_group!(benches, contactless);
criterion_main!(benches);
