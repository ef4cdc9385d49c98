//! Keys that are not the service's any more, or never were, in the mouth of somebody on the line.

use std::sync::{Arc, Mutex};

use kartenbund::client::device_login::{DeviceLoginError, login_with_device};
use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoginError};
use kartenbund::jose::Thumbprint;
use kartenbund::jose::jws::{Es256, Message};
use kartenbund::protocol::api::{ConfigurationAnswer, DecisionAnswer, DeviceLoginRequest};
use kartenbund::protocol::device_login::DeviceLoginStatement;
use kartenbund::protocol::login_challenge::LoginChallenge;
use kartenbund::server::RollStep::{self, Activate, Announce, Retire};
use serde::{Deserialize, Serialize};

use super::answers::{altered, key_of};
use super::common::line::Answer;
use super::*;

const CONFIGURATION: &str = "/.well-known/kartenbund-configuration";

type Lie = Box<dyn Fn(&str, Answer) -> Answer + Send>;

/// A service whose answers all go past a liar, at the address that is its name.
struct Stage {
    liar: Liar,
    world: World,
    lie: Arc<Mutex<Lie>>,
    password: String,
}

impl Stage {
    fn new() -> Self {
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(Box::new(|_, truth| truth)));
        let told = Arc::clone(&lie);
        let configured = |address: &str| {
            World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
                settings.issuer = address.to_owned();
                settings.payer_iks = vec!["999567890".parse().unwrap()];
                settings.anchors = Box::new(anchors_of(&[&ca()]));
            })
        };
        let (liar, world) =
            Liar::lying_in_front_of(configured, |_| true, move |path, truth| told.lock().unwrap()(path, truth));
        let password = world.member(ERIKA);
        Self { liar, world, lie, password }
    }

    /// From now on this is said in place of the truth.
    fn lies(&self, lie: impl Fn(&str, Answer) -> Answer + Send + 'static) {
        *self.lie.lock().unwrap() = Box::new(lie);
    }

    fn tells_the_truth(&self) {
        self.lies(|_, truth| truth);
    }

    /// The configuration that is told in place of the true one.
    fn says(&self, answer: ConfigurationAnswer) {
        let body = serde_json::to_vec(&answer).unwrap();
        self.lies(move |path, truth| if path == CONFIGURATION { (200, body.clone()) } else { truth });
    }

    /// What the service says of itself now.
    fn configuration(&self) -> Configuration {
        self.tells_the_truth();
        self.liar.service().configuration().unwrap()
    }

    /// The same, as it says that.
    fn answer(&self) -> ConfigurationAnswer {
        self.tells_the_truth();
        reqwest::blocking::get(format!("{}{CONFIGURATION}", self.liar.address)).unwrap().json().unwrap()
    }

    /// Whoever answers, to a person who has typed this fingerprint.
    fn naming(&self, fingerprint: Thumbprint) -> kartenbund::client::service::Service {
        self.liar.service().expecting(Some(fingerprint), &self.world.clock.of_client())
    }

    fn home(&self) -> Home {
        Home::at(self.world.folder.path().join("computer"))
    }

    /// Logs in with the password; whether it was asked for is said, too.
    fn log_in(&self) -> (Result<(), LoginError>, bool) {
        let mut script = Script { password: Some(self.password.clone()), ..Script::default() };
        let clock = || self.world.clock.now();
        let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &clock };
        let logged_in = login::login(&self.home(), &self.liar.service(), kvnr(ERIKA), &mut around);
        (logged_in.map(drop), script.password.is_none())
    }

    fn computer(&self) -> Computer {
        let here = login::resume(self.home(), self.world.clock.of_client()).unwrap();
        Computer { here, clock: self.world.clock.clone() }
    }

    fn registered(&self) -> Computer {
        self.log_in().0.unwrap();
        let computer = self.computer();
        computer.register(&mut card(ERIKA)).unwrap();
        computer
    }

    fn pinned(&self) -> Vec<P256Jwk> {
        self.home().profile().unwrap().service_keys.to_vec()
    }

    /// She follows the service through these steps.
    fn roll(&self, steps: &[RollStep]) {
        for step in steps {
            self.world.roll(*step).unwrap();
            self.world.clock.advance(1);
            self.log_in().0.unwrap();
        }
    }

    /// Nobody is believed, nothing is typed, and what is pinned stays.
    fn is_refused_as_changed(&self, what: &str) {
        let before = self.pinned();
        let (refused, is_asked) = self.log_in();
        assert!(matches!(refused, Err(LoginError::Service(ServiceError::KeyChanged))), "{what}: {refused:?}");
        assert!(!is_asked, "{what}: the password was asked for");
        assert_eq!(self.pinned(), before, "{what}");
    }

    fn decides(&self, computer: &Computer, accepted: &ApplicationAccepted) -> Result<DecisionAnswer, ApproveError> {
        let mut script = Script::with_code(&accepted.match_code);
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
    }
}

fn signed(configuration: &Configuration, key: &SigningKey) -> String {
    sign(configuration, key).unwrap()
}

fn alone(configuration: String) -> ConfigurationAnswer {
    ConfigurationAnswer { configuration, by_previous_key: None }
}

fn keys(keys: &[&SigningKey]) -> kartenbund::protocol::service::ServiceKeySet {
    kartenbund::protocol::service::ServiceKeySet::new(keys.iter().map(|key| jwk(key)).collect()).unwrap()
}

/// The same receipt by another key, in the answer to a decision.
fn receipt_by(key: &SigningKey, body: &[u8]) -> Vec<u8> {
    altered(body, |answer: &mut DecisionAnswer| {
        let payload = base64url::decode(answer.receipt.split('.').nth(1).unwrap()).unwrap();
        answer.receipt = sign(&serde_json::from_slice::<Receipt>(&payload).unwrap(), key).unwrap();
    })
}

/// The key that the file has as the one before.
pub(crate) fn previous_key_of(world: &World) -> SigningKey {
    let file = std::fs::read(world.folder.path().join("service/service-keys.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    SigningKey::from_slice(&base64url::decode(file["previous"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn a_list_of_keys_that_a_stranger_has_signed_is_not_taken() {
    let stage = Stage::new();
    let computer = stage.registered();
    let (own, stranger) = (key_of(&stage.world), new_key());
    let truth = stage.configuration();
    for (what, list) in [
        ("his own", keys(&[&stranger])),
        ("his own before the service's", keys(&[&stranger, &own])),
        ("the service's before his own", keys(&[&own, &stranger])),
    ] {
        let forged = signed(&Configuration { service_keys: list, ..truth.clone() }, &stranger);
        stage.says(alone(forged.clone()));
        stage.is_refused_as_changed(what);
        stage.says(ConfigurationAnswer { by_previous_key: Some(forged.clone()), ..alone(forged.clone()) });
        stage.is_refused_as_changed(what);

        // A word by his key is not read by way of that list, either, in a session that is open.
        stage.tells_the_truth();
        let accepted = computer.apply(&new_address());
        let (key, body_of) = (stranger.clone(), serde_json::to_vec(&alone(forged)).unwrap());
        stage.lies(move |path, (status, body)| match path {
            CONFIGURATION => (200, body_of.clone()),
            path if path.ends_with("/decision") => (status, receipt_by(&key, &body)),
            _ => (status, body),
        });
        let before = stage.pinned();
        let decided = stage.decides(&computer, &accepted);
        assert!(matches!(decided, Err(ApproveError::Service(ServiceError::KeyChanged))), "{what}: {decided:?}");
        assert!(!computer.here.home.has_receipt(accepted.approval_id));
        assert_eq!(stage.pinned(), before, "{what}");
    }
    // Without that list, it is by nobody that the service has listed.
    stage.tells_the_truth();
    let accepted = computer.apply(&new_address());
    stage.lies(move |path, (status, body)| {
        (status, if path.ends_with("/decision") { receipt_by(&stranger, &body) } else { body })
    });
    let decided = stage.decides(&computer, &accepted);
    assert!(matches!(decided, Err(ApproveError::Service(ServiceError::Contradiction("receipt")))), "{decided:?}");
}

#[test]
fn the_retired_key_says_nothing_more_to_who_has_the_new_one() {
    let stage = Stage::new();
    let computer = stage.registered();
    let old = key_of(&stage.world);
    stage.roll(&[Announce, Activate, Retire]);
    let truth = stage.configuration();
    assert_eq!((stage.pinned(), &truth.former_keys), (truth.service_keys.to_vec(), &vec![jwk(&old)]));
    let new = key_of(&stage.world);
    for (what, list) in [("itself", keys(&[&old])), ("itself and the new one", keys(&[&new, &old]))] {
        let forged = Configuration { service_keys: list, iat: truth.iat + 60, ..truth.clone() };
        stage.says(alone(signed(&forged, &old)));
        stage.is_refused_as_changed(what);
        stage.says(ConfigurationAnswer {
            configuration: signed(&Configuration { service_keys: keys(&[&new_key()]), ..truth.clone() }, &new),
            by_previous_key: Some(signed(&forged, &old)),
        });
        let (refused, is_asked) = stage.log_in();
        assert!(refused.is_err() && !is_asked, "{what}, beside a configuration that lists another key than its own");
    }
    // Something new that it signs: a receipt, the challenge of a login.
    stage.tells_the_truth();
    let accepted = computer.apply(&new_address());
    let key = old.clone();
    stage.lies(move |path, (status, body)| {
        (status, if path.ends_with("/decision") { receipt_by(&key, &body) } else { body })
    });
    let decided = stage.decides(&computer, &accepted);
    assert!(matches!(decided, Err(ApproveError::Service(ServiceError::Contradiction("receipt")))), "{decided:?}");
    assert!(!computer.here.home.has_receipt(accepted.approval_id));
    stage.lies(move |path, (status, body)| {
        let lie = |answer: &mut ChallengeAnswer| {
            let payload = base64url::decode(answer.challenge.split('.').nth(1).unwrap()).unwrap();
            let challenge: LoginChallenge<DeviceLoginStatement> = serde_json::from_slice(&payload).unwrap();
            answer.challenge = sign(&challenge, &old).unwrap();
        };
        (status, if path == "/v1/login/device/challenge" { altered(&body, lie) } else { body })
    });
    let (home, service) = (stage.home(), stage.liar.service());
    let refused = computer.with(&mut Script::default(), |around| login_with_device(&home, service, around));
    let is_noticed =
        matches!(refused, Err(DeviceLoginError::Login(LoginError::Service(ServiceError::Contradiction("challenge")))));
    assert!(is_noticed, "{:?}", refused.map(drop));
}

#[test]
fn an_older_configuration_said_again_brings_no_key_back_and_takes_none_away() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let before = signed(&stage.configuration(), &key_of(&stage.world));
    stage.world.clock.advance(60);
    stage.roll(&[Announce]);
    let announced = stage.pinned();
    assert_eq!(announced.len(), 2);
    // It is by a pinned key; what it says of keys is over.
    stage.says(alone(before));
    stage.log_in().0.unwrap();
    assert_eq!(stage.pinned(), announced, "the new key is not forgotten");
    stage.tells_the_truth();
    let during = stage.configuration();
    let during = signed(&during, &key_of(&stage.world));
    stage.world.clock.advance(60);
    stage.roll(&[Activate, Retire]);
    let after = stage.pinned();
    stage.says(alone(during));
    stage.is_refused_as_changed("the old key does not come back");
    assert_eq!(stage.pinned(), after);
}

/// A configuration that is none, signed all the same.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Raw(serde_json::Value);

impl Message for Raw {
    const TYP: &'static str = "configuration+jws";
    type Algorithm = Es256;
}

#[test]
fn a_list_of_no_key_of_three_or_of_one_key_twice_is_none() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let (own, pinned) = (key_of(&stage.world), stage.pinned());
    let truth = serde_json::to_value(stage.configuration()).unwrap();
    let [a, b] = [jwk(&new_key()), jwk(&new_key())];
    let ours = jwk(&own);
    for (what, list, holds) in [
        ("one", json!([ours]), true),
        ("two", json!([ours, a]), true),
        ("none", json!([]), false),
        ("three", json!([ours, a, b]), false),
        ("one twice", json!([ours, ours]), false),
        ("no list", json!(ours), false),
    ] {
        let mut forged = truth.clone();
        forged["service_keys"] = list;
        stage.says(alone(sign(&Raw(forged), &own).unwrap()));
        let known = stage.liar.service().configuration_of(&stage.home().profile().unwrap());
        assert_eq!(known.is_ok(), holds, "{what}");
        let first = stage.liar.service().configuration();
        assert_eq!(first.is_ok(), holds, "{what}, at the first login");
        let malformed = |refused: Option<ServiceError>| matches!(refused, None | Some(ServiceError::Malformed));
        assert!(malformed(known.err()) && malformed(first.err()), "{what}");
        assert_eq!(stage.pinned(), pinned, "nothing was kept yet");
    }
    assert!(
        serde_json::from_value::<kartenbund::client::home::Profile>({
            let mut profile = serde_json::to_value(stage.home().profile().unwrap()).unwrap();
            profile["service_keys"] = json!([ours, a, b]);
            profile
        })
        .is_err()
    );
}

#[test]
fn a_configuration_does_not_choose_the_key_that_it_is_verified_with() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let (own, stranger) = (key_of(&stage.world), new_key());
    let truth = stage.configuration();
    let kid = |key: &SigningKey| jwk(key).thumbprint().to_string();
    for (what, signer, hint) in [
        ("a key by its number, of the service", &stranger, json!({"kid": kid(&own)})),
        ("his own by its number", &stranger, json!({"kid": kid(&stranger)})),
        ("his own", &stranger, json!({"jwk": jwk(&stranger)})),
        ("an address of keys", &stranger, json!({"jku": "https://stranger.example/keys"})),
        ("a key by its number, signed by the service", &own, json!({"kid": kid(&own)})),
    ] {
        let mut header = json!({"alg": "ES256", "typ": "configuration+jws"});
        header.as_object_mut().unwrap().extend(hint.as_object().unwrap().clone());
        let payload = signed(&Configuration { service_keys: keys(&[&own, &stranger]), ..truth.clone() }, signer);
        let payload = payload.split('.').nth(1).unwrap();
        let input = format!("{}.{payload}", base64url::encode(header.to_string().as_bytes()));
        let Ok(signature) = jws::Signer::<Es256>::sign(&mut &*signer, input.as_bytes());
        stage.says(alone(format!("{input}.{}", base64url::encode(&signature))));
        let before = stage.pinned();
        let (refused, is_asked) = stage.log_in();
        assert!(matches!(refused, Err(LoginError::Service(ServiceError::Malformed))), "{what}: {refused:?}");
        assert!(!is_asked && stage.pinned() == before, "{what}");
    }
}

#[test]
fn a_configuration_by_a_pinned_key_that_it_does_not_list_is_not_taken() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let own = key_of(&stage.world);
    let forged = Configuration { service_keys: keys(&[&new_key()]), ..stage.configuration() };
    stage.says(alone(signed(&forged, &own)));
    let before = stage.pinned();
    let (refused, is_asked) = stage.log_in();
    assert!(matches!(refused, Err(LoginError::Service(ServiceError::Malformed))), "{refused:?}");
    assert!(!is_asked && stage.pinned() == before);
}

/// Whoever has stolen the former key makes challenges with it; the service takes none of them for its own.
#[test]
fn a_login_with_a_challenge_by_a_retired_key_is_refused() {
    let stage = Stage::new();
    let computer = stage.registered();
    stage.world.roll(Announce).unwrap();
    stage.world.roll(Activate).unwrap();
    let old = previous_key_of(&stage.world);
    let log_in = |key: &SigningKey| {
        let stranger = Stranger { remote: stage.liar.service(), ..stage.world.stranger() };
        let offer: ChallengeAnswer = stranger.ask("/v1/login/device/challenge", &json!({})).unwrap();
        let payload = base64url::decode(offer.challenge.split('.').nth(1).unwrap()).unwrap();
        let challenge: LoginChallenge<DeviceLoginStatement> = serde_json::from_slice(&payload).unwrap();
        let device_id = computer.here.home.device().unwrap().device_id().unwrap();
        let statement = DeviceLoginStatement {
            v: VERSION,
            aud: challenge.aud.clone(),
            device_id,
            challenge: challenge.challenge,
            jkt: challenge.jkt,
            iat: stage.world.clock.now(),
        };
        let device_key = computer.with(&mut Script::default(), |around| unlock(&computer.here, 0, around)).unwrap();
        let statement = sign(&statement, &device_key).unwrap();
        let challenge = sign(&challenge, key).unwrap();
        let request = DeviceLoginRequest { challenge, device_id, statement, client_name: None };
        stranger.ask::<_, kartenbund::protocol::api::TokenAnswer>("/v1/login/device", &request)
    };
    assert!(log_in(&old).is_ok(), "while it is listed, another process may have made it");
    stage.world.roll(Retire).unwrap();
    assert_eq!(refusal(log_in(&old).map(drop)), code("challenge_ended"));
    assert!(log_in(&key_of(&stage.world)).is_ok());
}

#[test]
fn a_key_that_the_bundle_names_is_believed_only_where_the_verifier_has_brought_it_along() {
    let stage = Stage::new();
    let computer = stage.registered();
    let accepted = computer.apply(&new_address());
    stage.decides(&computer, &accepted).unwrap();
    // With it a head is signed, by the key of then.
    let _: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let old = key_of(&stage.world);
    stage.roll(&[Announce, Activate, Retire]);
    let (new, stranger) = (key_of(&stage.world), new_key());
    let honest: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    assert_eq!((&honest.service.jwk, &honest.service.other_jwks), (&jwk(&new), &vec![jwk(&old)]));
    let both = [jwk(&new), jwk(&old)];
    let holds = |bundle: &Bundle, keys: &[P256Jwk]| {
        let holds = bundle.verify(&anchors_of(&[&ca()]), keys).findings.is_some();
        let bytes = [serde_json::to_vec(bundle).unwrap()];
        assert_eq!(verifier::second_verifier(&bytes, &[&ca()], keys), [holds]);
        holds
    };
    assert!(holds(&honest, &both) && holds(&honest, &[jwk(&old)]), "all of it is by the former key");
    assert!(!holds(&honest, &[jwk(&new)]) && !holds(&honest, &[jwk(&stranger)]));

    // A receipt, or a head, by a key that the bundle names beside the right ones.
    let mut of_receipt = honest.clone();
    of_receipt.service.other_jwks.push(jwk(&stranger));
    let mut of_head = of_receipt.clone();
    let resign = |compact: &mut String| {
        let receipt: Receipt = jws::verify(compact, old.verifying_key()).unwrap();
        *compact = sign(&receipt, &stranger).unwrap();
    };
    resign(&mut of_receipt.devices[0].approvals[0].receipt);
    let inclusion = of_head.devices[0].approvals[0].audit.as_mut().unwrap();
    let signer =
        [&old, &new].into_iter().find(|key| jws::verify::<AuditHead>(&inclusion.head, key.verifying_key()).is_ok());
    let head: AuditHead = jws::verify(&inclusion.head, signer.unwrap().verifying_key()).unwrap();
    inclusion.head = sign(&head, &stranger).unwrap();
    for (what, forged) in [("receipt", of_receipt), ("head", of_head)] {
        assert!(!holds(&forged, &both), "{what}");
        assert!(holds(&forged, &[]), "{what}: unpinned it is somebody's word, and says so");
        let mut unnamed = forged.clone();
        unnamed.service.other_jwks.pop();
        assert!(!holds(&unnamed, &[]), "{what}: by a key that the bundle does not name");
        let all = [both.to_vec(), vec![jwk(&stranger)]].concat();
        assert!(!holds(&unnamed, &all), "{what}: nor then");
    }
}

#[test]
fn whoever_answers_in_the_services_place_gets_nothing_without_the_key_of_the_fingerprint() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let (own, stranger, before) = (key_of(&stage.world), new_key(), stage.pinned());
    let truth = stage.configuration();
    let expecting = |fingerprint: Thumbprint| stage.naming(fingerprint).learn_keys(&stage.home());
    // The right key is in the list, and another one has signed.
    stage.says(alone(signed(&Configuration { service_keys: keys(&[&own, &stranger]), ..truth }, &stranger)));
    let refused = expecting(jwk(&own).thumbprint());
    assert!(matches!(refused, Err(ServiceError::NotTheNamedKey)));
    assert_eq!(stage.pinned(), before);
}

/// Anybody can save a configuration while keys overlap. It is by the new key, and lists the old one, whoever has that later.
#[test]
fn an_old_configuration_said_again_to_who_types_the_fingerprint_pins_nothing() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let (old, before) = (key_of(&stage.world), stage.pinned());
    stage.world.roll(Announce).unwrap();
    stage.world.roll(Activate).unwrap();
    let (new, saved) = (key_of(&stage.world), stage.configuration());
    assert_eq!(*saved.service_keys, [jwk(&new), jwk(&old)]);
    stage.world.roll(Retire).unwrap();
    for (ahead, holds) in [(-601, false), (601, false), (-86_400, false), (-600, true), (600, true)] {
        let iat = stage.world.clock.now() + ahead;
        stage.says(alone(signed(&Configuration { iat, ..saved.clone() }, &new)));
        let first = stage.naming(jwk(&new).thumbprint()).configuration();
        let again = stage.naming(jwk(&new).thumbprint()).learn_keys(&stage.home());
        if holds {
            assert!(first.is_ok() && again.is_ok(), "{ahead}");
        } else {
            let is_told = |refused| matches!(refused, Some(ServiceError::NotOfNow(told)) if told == ahead);
            assert!(is_told(first.err()) && is_told(again.err()), "{ahead}");
            assert_eq!(stage.pinned(), before, "{ahead}");
        }
    }
    // Nor as the one by the key before, beside one of now by somebody else.
    let (stranger, now) = (new_key(), stage.world.clock.now());
    let of_stranger = Configuration { service_keys: keys(&[&stranger]), iat: now, ..saved.clone() };
    let by_previous_key = Some(signed(&Configuration { iat: now - 601, ..saved }, &new));
    stage.says(ConfigurationAnswer { configuration: signed(&of_stranger, &stranger), by_previous_key });
    let refused = stage.naming(jwk(&new).thumbprint()).learn_keys(&stage.home());
    assert!(matches!(refused, Err(ServiceError::NotOfNow(-601))));
}

/// What another command has learnt while the answer was on its way is not written over.
#[test]
fn an_answer_that_comes_late_takes_back_nothing_that_was_learnt_meanwhile() {
    let stage = Stage::new();
    stage.log_in().0.unwrap();
    let file = stage.home().folder().join("profile.json");
    let first = std::fs::read(&file).unwrap();
    stage.roll(&[Announce]);
    let late = serde_json::to_vec(&alone(signed(&stage.configuration(), &key_of(&stage.world)))).unwrap();
    stage.roll(&[Activate]);
    let (learnt, keys) = (std::fs::read(&file).unwrap(), stage.pinned());
    std::fs::write(&file, &first).unwrap();
    assert_ne!(stage.pinned(), keys);
    let (at, other) = (file.clone(), learnt.clone());
    stage.lies(move |path, truth| {
        if path == CONFIGURATION {
            std::fs::write(&at, &other).unwrap();
            return (200, late.clone());
        }
        truth
    });
    let (_, profile) = stage.liar.service().learn_keys(&stage.home()).unwrap();
    assert_eq!((stage.pinned(), profile.service_keys.to_vec()), (keys.clone(), keys));

    // Somebody has logged in elsewhere meanwhile: these are no keys of that service.
    let mut elsewhere: serde_json::Value = serde_json::from_slice(&first).unwrap();
    elsewhere["service"] = "https://other.example".into();
    let (at, other, truth) = (file.clone(), elsewhere.to_string(), serde_json::to_vec(&stage.answer()).unwrap());
    std::fs::write(&file, &learnt).unwrap();
    stage.lies(move |_, _| {
        std::fs::write(&at, &other).unwrap();
        (200, truth.clone())
    });
    let refused = stage.liar.service().learn_keys(&stage.home());
    assert!(matches!(refused, Err(ServiceError::Contradiction("aud"))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), elsewhere.to_string());
}

#[test]
fn one_command_at_a_time_changes_what_is_pinned() {
    let stage = Stage::new();
    let file = stage.home().folder().join("profile.json");
    std::fs::create_dir_all(stage.home().folder()).unwrap();
    let lock = || kartenbund::disk::lock_file(&stage.home().folder().join("profile.lock")).unwrap();
    let is_held_back = |change: &(dyn Fn() + Sync)| {
        let (before, other) = (std::fs::read(&file).ok(), lock());
        std::thread::scope(|scope| {
            let change = scope.spawn(change);
            std::thread::sleep(std::time::Duration::from_secs(2));
            assert!(!change.is_finished());
            assert_eq!(std::fs::read(&file).ok(), before);
            drop(other);
            change.join().unwrap();
        });
        assert_ne!(std::fs::read(&file).ok(), before);
    };
    let (home, address, password, clock) =
        (stage.home(), stage.liar.address.clone(), stage.password.clone(), stage.world.clock.clone());
    let service = || kartenbund::client::service::Service::at(&address).unwrap();
    is_held_back(&|| {
        let mut script = Script { password: Some(password.clone()), ..Script::default() };
        let now = || clock.now();
        let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
        login::login(&home, &service(), kvnr(ERIKA), &mut around).unwrap();
    });
    stage.world.roll(Announce).unwrap();
    is_held_back(&|| drop(service().learn_keys(&home).unwrap()));
}

/// Tokens go to nobody who shows another key.
#[test]
fn no_tokens_are_renewed_with_who_shows_a_key_that_is_not_pinned() {
    let stage = Stage::new();
    let computer = stage.registered();
    let stranger = new_key();
    let forged = Configuration { service_keys: keys(&[&stranger]), ..stage.configuration() };
    let forged = serde_json::to_vec(&alone(signed(&forged, &stranger))).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    stage.lies(move |path, truth| {
        seen.lock().unwrap().push(path.to_owned());
        if path == CONFIGURATION { (200, forged.clone()) } else { truth }
    });
    stage.world.clock.advance(600); // the access token is too old by then
    let refused = computer.here.service.get::<serde_json::Value>("/v1/devices");
    assert!(matches!(refused, Err(ServiceError::KeyChanged)), "{:?}", refused.map(drop));
    assert_eq!(*asked.lock().unwrap(), [CONFIGURATION], "nothing else is asked, nor shown");
    stage.tells_the_truth();
    computer.here.service.get::<serde_json::Value>("/v1/devices").unwrap();
}
