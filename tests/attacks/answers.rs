//! A service that lies in its answers, or whoever sits between: it may even have the service's key. The client looks at
//! every claim before it goes on.

use kartenbund::client::Step;
use kartenbund::client::home::{Home, HomeError};
use kartenbund::client::login::LoginError;
use kartenbund::client::service::Service as Remote;
use kartenbund::device_key::DeviceKeyError;
use kartenbund::jose::{Es256, Message};
use kartenbund::protocol::api::{ApprovalAnswer, ConfigurationAnswer, DecisionAnswer};
use kartenbund::protocol::application::ApplicationType;
use kartenbund::secret::SecretBytes;
use kartenbund::voprf::Share;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::common::line::Answer;
use super::*;

/// The body with something in it changed.
pub(crate) fn altered<T: Serialize + DeserializeOwned>(body: &[u8], forge: impl FnOnce(&mut T)) -> Vec<u8> {
    let mut message = serde_json::from_slice(body).unwrap();
    forge(&mut message);
    serde_json::to_vec(&message).unwrap()
}

/// The service's own key, as somebody has it who has its disk.
pub(crate) fn key_of(world: &World) -> SigningKey {
    let file = std::fs::read(world.folder.path().join("service").join("service-keys.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    SigningKey::from_slice(&base64url::decode(file["signing"].as_str().unwrap()).unwrap()).unwrap()
}

/// What the service signed, with something in it changed and signed by it again.
pub(crate) fn resigned<M: Message<Algorithm = Es256>>(
    key: &SigningKey,
    compact: &mut String,
    forge: impl FnOnce(&mut M),
) {
    let mut message: M = jws::verify(compact, key.verifying_key()).unwrap();
    forge(&mut message);
    *compact = sign(&message, key).unwrap();
}

type ReceiptForgery = (&'static str, fn(&mut Receipt));

const RECEIPTS: [ReceiptForgery; 7] = [
    ("version", |r| r.v = 2),
    ("service", |r| r.aud = "https://stranger.example".to_owned()),
    ("subject", |r| {
        r.subject = match r.subject {
            ReceiptSubject::Binding => ReceiptSubject::Decision,
            ReceiptSubject::Decision => ReceiptSubject::Binding,
        }
    }),
    ("id", |r| r.id = "AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
    ("hash", |r| r.sha256 = Sha256Hash::of(b"something else")),
    ("the day before", |r| r.at -= 24 * 60 * 60),
    ("the day after", |r| r.at += 24 * 60 * 60),
];

#[test]
fn the_card_signs_no_challenge_for_something_else() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    type Forge = fn(&mut RegistrationChallenge);
    let forgeries: [(&str, Forge); 6] = [
        ("version", |c| c.v = 2),
        ("service", |c| c.aud = "https://stranger.example".to_owned()),
        ("registration", |c| c.registration_id = [7; 16].into()),
        ("key", |c| c.jkt = jwk(&new_key()).thumbprint()),
        ("person", |c| c.kvnr = kvnr(MAX)),
        ("end", |c| c.exp = c.iat),
    ];
    for (what, forge) in forgeries {
        let key = key_of(&world);
        let liar = Liar::before(&world, move |path, (status, body)| {
            let lie = |answer: &mut ChallengeAnswer| resigned(&key, &mut answer.challenge, forge);
            (status, if path.ends_with("/challenge") { altered(&body, lie) } else { body })
        });
        let mut script = Script::default();
        let refused = liar.deceives(&computer).register_as(&mut card(ERIKA), &mut script, &wish());
        let contradiction = matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("challenge"))));
        assert!(contradiction, "{what}: {refused:?}");
        assert!(!script.steps.contains(&Step::CardSigns), "{what}");
    }
}

#[test]
fn an_offer_of_another_service_or_of_a_share_that_is_not_used_is_not_taken() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    type Forge = fn(&mut RegistrationOffer);
    let forgeries: [Forge; 3] = [
        |offer| offer.aud = "https://stranger.example".to_owned(),
        |offer| offer.voprf_pk = [0; 32].into(),
        |offer| offer.voprf_pk = another_share().public_key(),
    ];
    for forge in forgeries {
        let liar = Liar::before(&world, move |path, (status, body)| {
            (status, if path == "/v1/registrations" { altered(&body, forge) } else { body })
        });
        let mut script = Script::default();
        let refused = liar.deceives(&computer).register_as(&mut card(ERIKA), &mut script, &wish());
        let is_noticed = matches!(
            refused,
            Err(RegisterError::Service(ServiceError::Contradiction("registration"))
                | RegisterError::DeviceKey(DeviceKeyError::Evaluation))
        );
        assert!(is_noticed, "{refused:?}");
        assert!(!script.steps.contains(&Step::VerifyPin), "the card PIN stays with the person");
        assert!(computer.here.home.pending_device().unwrap().is_none());
    }
}

/// A share that is not the service's.
pub(crate) fn another_share() -> Share {
    Share::of(&SecretBytes::random(&mut rng())).unwrap()
}

/// Registers through a liar who changes the answer to the evidence; gives what the client says to it.
fn registers_with(
    world: &World,
    computer: &Computer,
    forge: impl Fn(&mut RegistrationAnswer) + Send + 'static,
) -> Result<(), ServiceError> {
    let liar = Liar::before(world, move |path, (status, body)| {
        (status, if path.ends_with("/evidence") { altered(&body, |answer| forge(answer)) } else { body })
    });
    let registered = liar.deceives(computer).register(&mut card(ERIKA)).map(drop);
    let home = &computer.here.home;
    let is_registered = !matches!(home.device(), Err(HomeError::NoDevice));
    assert_eq!(is_registered, registered.is_ok(), "this computer takes itself for registered");
    // All over again.
    world.sql("UPDATE device SET state = 'revoked'").unwrap();
    home.forget_pending_device().unwrap();
    registered.map_err(|error| match error {
        RegisterError::Service(error) => error,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_computer_does_not_take_itself_for_registered_on_a_receipt_for_something_else() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for (what, forge) in RECEIPTS {
        let key = key_of(&world);
        let refused =
            registers_with(&world, &computer, move |answer| resigned(&key, answer.receipt.as_mut().unwrap(), forge));
        assert!(matches!(refused, Err(ServiceError::Contradiction("receipt"))), "{what}: {refused:?}");
    }
    let by_stranger = registers_with(&world, &computer, |answer| {
        let receipt = answer.receipt.as_mut().unwrap();
        *receipt = flipped(receipt, 2);
    });
    // Whose key it is by, the service of that name is asked: the liar has another address.
    assert!(matches!(by_stranger, Err(ServiceError::Contradiction("aud"))), "{by_stranger:?}");
    let of_other_key =
        registers_with(&world, &computer, |answer| answer.device.as_mut().unwrap().jkt = jwk(&new_key()).thumbprint());
    assert!(matches!(of_other_key, Err(ServiceError::Contradiction("device"))));
    assert!(registers_with(&world, &computer, |_| {}).is_ok(), "the truth is believed");
}

#[test]
fn a_decision_is_not_taken_for_done_on_a_receipt_or_verdict_for_something_else() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let decides_with = |forge: Box<dyn Fn(&mut DecisionAnswer) + Send>| {
        let liar = Liar::before(&world, move |path, (status, body)| {
            (status, if path.ends_with("/decision") { altered(&body, &forge) } else { body })
        });
        let accepted = computer.apply(&new_address());
        let computer = liar.deceives(&computer);
        let mut script = Script::with_code(&accepted.match_code);
        let decided =
            computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
        let kept = computer.here.home.folder().join("receipts").join(format!("{}.jws", accepted.approval_id));
        assert_eq!(kept.exists(), decided.is_ok(), "a receipt is kept when it is one");
        decided.map(drop)
    };
    for (what, forge) in RECEIPTS {
        let key = key_of(&world);
        let refused = decides_with(Box::new(move |answer| resigned(&key, &mut answer.receipt, forge)));
        let contradiction = matches!(refused, Err(ApproveError::Service(ServiceError::Contradiction("receipt"))));
        assert!(contradiction, "{what}: {refused:?}");
    }
    let turned = decides_with(Box::new(|answer| answer.verdict = Verdict::Deny));
    assert!(matches!(turned, Err(ApproveError::Service(ServiceError::Contradiction("verdict")))));
    assert!(decides_with(Box::new(|_| {})).is_ok(), "the truth is believed");
}

#[test]
fn the_document_of_another_approval_is_not_shown_for_this_one() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    type Forge = fn(&mut ApprovalAnswer);
    fn document(answer: &mut ApprovalAnswer, forge: impl FnOnce(&mut kartenbund::protocol::approval::Document)) {
        let mut document = answer.document.read().unwrap();
        forge(&mut document);
        answer.document = document.freeze().unwrap();
    }
    let forgeries: [(&str, Forge); 5] = [
        ("the person", |a| document(a, |d| d.account = kvnr(MAX))),
        ("the approval", |a| {
            document(a, |d| d.approval_id = [7; 16].into());
            a.approval.approval_id = [7; 16].into();
        }),
        ("the approval beside it", |a| a.approval.approval_id = [7; 16].into()),
        ("the application", |a| a.approval.application_id = [7; 16].into()),
        ("the kind", |a| a.approval.kind = ApplicationType::BankChange),
    ];
    for (what, forge) in forgeries {
        let liar = Liar::before(&world, move |_, (status, body)| (status, altered(&body, forge)));
        let shown = fetch(&liar.deceives(&computer).here, accepted.approval_id).map(drop);
        let contradiction = matches!(shown, Err(ApproveError::Service(ServiceError::Contradiction("document"))));
        assert!(contradiction, "{what}: {shown:?}");
    }
}

#[test]
fn who_the_service_is_must_be_said_by_itself_about_this_address() {
    let world = World::new();
    let password = world.member(ERIKA);
    let key = key_of(&world);
    type Forge = fn(&mut Configuration);
    let lies = |forge: Option<Forge>, of_address: bool| {
        let key = key.clone();
        let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
        let own = std::sync::Arc::clone(&address);
        let liar = Liar::before(&world, move |_, (status, body)| {
            let lie = |answer: &mut ConfigurationAnswer| {
                resigned::<Configuration>(&key, &mut answer.configuration, |configuration| {
                    if of_address {
                        configuration.aud.clone_from(own.get().unwrap());
                    }
                    forge.into_iter().for_each(|forge| forge(configuration));
                });
            };
            (status, altered(&body, lie))
        });
        address.set(liar.address.clone()).unwrap();
        Remote::at(&liar.address).unwrap().configuration()
    };
    assert!(lies(None, true).is_ok());
    assert!(matches!(lies(Some(|c| c.v = 2), true), Err(ServiceError::Contradiction("aud"))));
    assert!(matches!(lies(None, false), Err(ServiceError::Contradiction("aud"))), "it is another one's");
    assert!(lies(Some(|c| c.min_client = env!("CARGO_PKG_VERSION").parse().unwrap()), true).is_ok());
    let too_old = lies(Some(|c| c.min_client = "99.0.0".parse().unwrap()), true);
    assert!(matches!(too_old, Err(ServiceError::TooOld(wanted)) if wanted.to_string() == "99.0.0"));
    let deceptive = lies(Some(|c| c.hotline = "0800\u{202e}1".to_owned()), true);
    assert!(matches!(deceptive, Err(ServiceError::Malformed)));
    let in_anothers_name = lies(Some(|c| c.service_keys = jwk(&new_key()).into()), true);
    assert!(matches!(in_anothers_name, Err(ServiceError::Malformed)), "the key in it did not sign it");

    let between = Liar::before(&world, |_, truth| truth);
    let home = Home::at(world.folder.path().join("deceived"));
    let mut script = Script { password: Some(password), ..Script::default() };
    let clock = || world.clock.now();
    let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &clock };
    let remote = Remote::at(&between.address).unwrap();
    let refused = kartenbund::client::login::login(&home, &remote, kvnr(ERIKA), &mut around);
    assert!(matches!(refused, Err(LoginError::Service(ServiceError::Contradiction("aud")))));
    assert!(script.password.is_some(), "the person was not even asked");
}

#[test]
fn an_answer_that_is_too_long_says_something_twice_or_contradicts_its_status_is_not_read() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let asks = |answer: fn(Answer) -> Answer| {
        let liar = Liar::before(&world, move |_, truth| answer(truth));
        liar.deceives(&computer).here.service.get::<serde_json::Value>("/v1/devices")
    };
    assert!(asks(|truth| truth).is_ok());
    let malformed = |answer| matches!(answer, Err(ServiceError::Malformed));
    assert!(malformed(asks(|(status, body)| (status, [body, vec![b' '; 16 * 1024 * 1024]].concat()))));
    assert!(malformed(asks(|(status, _)| (status, br#"{"devices":[],"devices":[]}"#.to_vec()))));
    const PROBLEM: &[u8] = br#"{"type":"t","title":"t","status":404,"code":"not_found","trace_id":"0"}"#;
    assert_eq!(refusal(asks(|_| (404, PROBLEM.to_vec()))), code("not_found"));
    assert!(malformed(asks(|_| (500, PROBLEM.to_vec()))));
}

#[test]
fn a_redirection_is_not_followed() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let elsewhere = format!("{}/v1/devices", world.address);
    let liar = Liar::before(&world, move |_, _| (302, elsewhere.clone().into_bytes()));
    let asked = liar.deceives(&computer).here.service.get::<serde_json::Value>("/v1/approvals");
    assert!(matches!(asked, Err(ServiceError::Malformed)), "{asked:?}");
}

#[test]
fn an_answer_that_got_lost_is_fetched_later_and_the_key_is_kept_until_then() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let garbled = Liar::before(&world, |path, (status, body)| {
        (status, if path.ends_with("/evidence") { b"{".to_vec() } else { body })
    });
    let lost = garbled.deceives(&computer).register(&mut card(ERIKA));
    assert!(matches!(lost, Err(RegisterError::Service(ServiceError::Malformed))));

    const PROBLEM: &[u8] = br#"{"type":"t","title":"t","status":500,"code":"internal","trace_id":"0"}"#;
    let broken = Liar::before(&world, |_, _| (500, PROBLEM.to_vec()));
    let unknown = broken.deceives(&computer).register(&mut card(ERIKA));
    assert!(matches!(unknown, Err(RegisterError::Service(error)) if error.is_refused_with("internal")));
    assert!(computer.here.home.pending_device().unwrap().is_some(), "nobody knows, so nothing is thrown away");

    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [kartenbund::client::Notice::Resumed]);
}
