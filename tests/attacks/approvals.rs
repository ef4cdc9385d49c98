//! Attacks on approvals.

use super::*;

/// A decision taken apart.
struct Forgery {
    computer: Computer,
    accepted: ApplicationAccepted,
    decision: Decision,
    key: kartenbund::device_key::OpenKey,
}

impl Forgery {
    fn new(world: &World) -> Self {
        Self::on(world.registered(ERIKA), &new_address())
    }

    fn on(computer: Computer, application: &Application) -> Self {
        let accepted = computer.apply(application);
        let key = open_key(&computer);
        let decision = honest_decision(&computer, &accepted);
        Self { computer, accepted, decision, key }
    }

    fn send(&self, decision: String) -> Result<serde_json::Value, ServiceError> {
        let device_id = self.computer.here.home.device().unwrap().device_id().unwrap();
        let path = format!("/v1/approvals/{}/decision", self.accepted.approval_id);
        self.computer.here.service.call(Method::POST, &path, &DecisionRequest { device_id, decision })
    }

    fn signed(&self) -> String {
        sign(&self.decision, &self.key).unwrap()
    }

    fn is_pending(&self) -> bool {
        let path = format!("/v1/approvals/{}", self.accepted.approval_id);
        self.computer.here.service.get::<ApprovalAnswer>(&path).unwrap().approval.state == "pending"
    }
}

/// The device key, opened as its owner does.
pub(crate) fn open_key(computer: &Computer) -> kartenbund::device_key::OpenKey {
    computer.with(&mut Script::default(), |around| unlock(&computer.here, 0, around)).unwrap()
}

/// The decision that the program would make of an approval.
fn honest_decision(computer: &Computer, accepted: &ApplicationAccepted) -> Decision {
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    let answer: ApprovalAnswer = computer.here.service.get(&path).unwrap();
    let iat = computer.clock.now();
    Decision {
        v: VERSION,
        aud: computer.here.profile.service.clone(),
        approval_id: accepted.approval_id,
        document: answer.document,
        challenge: answer.challenge.unwrap(),
        decision: Verdict::Approve,
        reason: None,
        match_code: Some(accepted.match_code.clone()),
        iat,
        exp: iat + 60,
        jti: MessageId::random(&mut rng()),
    }
}

/// A decision ready to be sent.
pub(crate) fn decision_on(computer: &Computer, accepted: &ApplicationAccepted, verdict: Verdict) -> DecisionRequest {
    let decision = Decision { decision: verdict, ..honest_decision(computer, accepted) };
    let decision = sign(&decision, &open_key(computer)).unwrap();
    DecisionRequest { device_id: computer.here.home.device().unwrap().device_id().unwrap(), decision }
}

/// Something on the computer keeps the key that its owner has opened, and decides once she has gone. It is her key, and what
/// it signs counts; but no receipt and no evidence says that she was there.
#[test]
fn a_receipt_does_not_say_of_a_key_that_was_kept_open_that_the_pin_was_confirmed() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    for (seconds, amr) in [(60, &["swk", "pin"][..]), (1, &["swk"])] {
        world.clock.advance(seconds);
        forgery.decision = honest_decision(&forgery.computer, &forgery.accepted);
        let answer = forgery.send(forgery.signed()).unwrap();
        let key = forgery.computer.here.profile.service_keys[0].verifying_key();
        let receipt: Receipt = jws::verify(answer["receipt"].as_str().unwrap(), key).unwrap();
        assert_eq!(receipt.amr, amr);
        forgery.accepted = forgery.computer.apply(&new_address());
    }
    assert_eq!(world.audited("device.pin_confirmed"), 1);
    // Opened again, it is said again.
    forgery.key = open_key(&forgery.computer);
    forgery.decision = honest_decision(&forgery.computer, &forgery.accepted);
    let answer = forgery.send(forgery.signed()).unwrap();
    let key = forgery.computer.here.profile.service_keys[0].verifying_key();
    let receipt: Receipt = jws::verify(answer["receipt"].as_str().unwrap(), key).unwrap();
    assert_eq!(receipt.amr, ["swk", "pin"]);
}

#[test]
fn a_changed_approval_document_is_refused() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    let mut document = forgery.decision.document.read().unwrap();
    if let Change::Address(change) = &mut document.change {
        change.new.house_number = Some("77".to_owned());
    }
    forgery.decision.document = document.freeze().unwrap();
    assert_eq!(refusal(forgery.send(forgery.signed())), code("document_mismatch"));
    // The same content in other bytes is another document, too.
    let pretty: serde_json::Value = serde_json::from_slice(&document_bytes(&world)).unwrap();
    let pretty = serde_json::to_vec_pretty(&pretty).unwrap();
    forgery.decision.document = FrozenDocument::from_bytes(pretty);
    assert_eq!(refusal(forgery.send(forgery.signed())), code("document_mismatch"));
    assert!(forgery.is_pending());
}

fn document_bytes(world: &World) -> Vec<u8> {
    world.documents().remove(0).into_bytes()
}

#[test]
fn every_claim_of_a_decision_is_checked() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    type Forge = fn(&mut Decision);
    let forgeries: [(&str, Forge); 13] = [
        ("v", |d| d.v = 2),
        ("aud", |d| d.aud = "https://stranger.example".to_owned()),
        ("approval_id", |d| d.approval_id = [7; 16].into()),
        ("challenge", |d| d.challenge = [7; 32].into()),
        ("reason", |d| d.reason = Some(String::new())),
        ("reason", |d| d.reason = Some("not me\u{202E}".to_owned())),
        ("reason", |d| d.reason = Some("a\nb".to_owned())),
        ("reason", |d| d.reason = Some("x".repeat(101))),
        ("iat", |d| (d.iat, d.exp) = (d.iat + 121, d.exp + 121)),
        ("exp", |d| (d.iat, d.exp) = (d.iat - 300, d.iat - 121)),
        ("exp", |d| d.exp = d.iat + 301),
        ("exp", |d| d.exp = d.iat),
        ("exp", |d| (d.iat, d.exp) = (-9_007_199_254_740_991, 9_007_199_254_740_991)),
    ];
    for (claim, forge) in forgeries {
        let before = forgery.decision.clone();
        forge(&mut forgery.decision);
        assert_eq!(refusal(forgery.send(forgery.signed())), part("decision_invalid", claim));
        forgery.decision = before;
    }
    assert!(forgery.is_pending());
    assert!(forgery.send(forgery.signed()).is_ok(), "the honest one is taken");
}

#[test]
fn a_decision_may_say_why() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    forgery.decision.decision = Verdict::Deny;
    forgery.decision.match_code = None;
    forgery.decision.reason = Some("Das war ich nicht.".to_owned());
    let taken = forgery.send(forgery.signed()).unwrap();
    assert_eq!((&taken["verdict"], &taken["application"]["state"]), (&json!("deny"), &json!("denied")));
    let path = format!("/v1/evidence/{}", forgery.accepted.approval_id);
    let bundle: Bundle = forgery.computer.here.service.get(&path).unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), &[]);
    assert!(report.findings.is_some(), "{report:?}");
}

#[test]
fn a_decision_by_another_key_or_with_a_flipped_byte_is_refused() {
    let world = World::new();
    let forgery = Forgery::new(&world);
    let stranger = new_key();
    let by_stranger = sign(&forgery.decision, &stranger).unwrap();
    assert_eq!(refusal(forgery.send(by_stranger)), part("decision_invalid", "signature"));
    for n in 0..3 {
        assert_eq!(refusal(forgery.send(flipped(&forgery.signed(), n))).0, "decision_invalid", "part {n}");
    }
    let file = forgery.computer.here.home.device().unwrap();
    assert_ne!(&jwk(&stranger), &file.key.public_key);
    assert!(forgery.is_pending());
}

#[test]
fn a_decision_is_taken_once() {
    let world = World::new();
    let forgery = Forgery::new(&world);
    let decision = forgery.signed();
    forgery.send(decision.clone()).unwrap();
    assert_eq!(refusal(forgery.send(decision)), code("already_decided"));
    assert_eq!(world.audited("application.approved"), 1);
}

#[test]
fn what_is_decided_takes_nothing_more_whatever_is_sent() {
    let world = World::new();
    let forgery = Forgery::new(&world);
    forgery.send(forgery.signed()).unwrap();
    assert_eq!(refusal(forgery.send("garbage".to_owned())), code("already_decided"));
}

#[test]
fn a_decision_sent_after_the_end_is_too_late_even_when_it_was_signed_just_now() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    world.stretch_sessions();
    world.clock.advance(900);
    (forgery.decision.iat, forgery.decision.exp) = (world.clock.now(), world.clock.now() + 60);
    assert_eq!(refusal(forgery.send(forgery.signed())), code("approval_expired"));
    assert!(!forgery.is_pending());
}

#[test]
fn one_device_does_not_decide_in_the_name_of_another() {
    let world = World::new();
    let password = world.member(ERIKA);
    let registered = |folder: &str| {
        let computer = world.try_log_in(&world.folder.path().join(folder), ERIKA, &password).unwrap();
        computer.register(&mut card(ERIKA)).unwrap();
        computer
    };
    let desktop = Forgery::on(registered("desktop"), &new_address());
    let laptop = Forgery::on(registered("laptop"), &new_bank_account());
    for (by, named) in [(&desktop, &laptop), (&laptop, &desktop)] {
        let decision = sign(&named.decision, &by.key).unwrap();
        assert_eq!(refusal(named.send(decision)), part("decision_invalid", "signature"));
    }
    assert!(desktop.send(desktop.signed()).is_ok() && laptop.send(laptop.signed()).is_ok());
}

#[test]
fn a_guessed_match_code_for_one_approval_leaves_another_alone() {
    let world = World::new();
    let mut guessed = Forgery::new(&world);
    let other = guessed.computer.apply(&new_bank_account());
    let path = format!("/v1/approvals/{}", other.approval_id);
    let answer = || guessed.computer.here.service.get::<ApprovalAnswer>(&path).unwrap();
    let before = answer().challenge;
    guessed.decision.match_code = None;
    assert_eq!(refusal(guessed.send(guessed.signed())), part("match_code_wrong", "2"));
    assert_eq!(answer().challenge, before);
    assert_eq!(world.column("SELECT CAST(wrong_codes AS TEXT) FROM application ORDER BY wrong_codes"), ["0", "1"]);
}

#[test]
fn a_guessed_match_code_does_not_approve_and_uses_up_the_challenge() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    let right = String::from(forgery.accepted.match_code.clone());
    let wrong = MatchCode::try_from(if right == "00" { "01" } else { "00" }.to_owned()).unwrap();
    forgery.decision.match_code = None;
    assert_eq!(refusal(forgery.send(forgery.signed())), part("match_code_wrong", "2"), "none is wrong");
    assert_eq!(refusal(forgery.send(forgery.signed())), part("decision_invalid", "challenge"));
    forgery.decision.match_code = Some(wrong);
    let path = format!("/v1/approvals/{}", forgery.accepted.approval_id);
    let answer: ApprovalAnswer = forgery.computer.here.service.get(&path).unwrap();
    forgery.decision.challenge = answer.challenge.unwrap();
    assert_eq!(refusal(forgery.send(forgery.signed())), part("match_code_wrong", "1"));
    assert!(forgery.is_pending());

    // The third denies, and says so.
    let answer: ApprovalAnswer = forgery.computer.here.service.get(&path).unwrap();
    forgery.decision.challenge = answer.challenge.unwrap();
    assert_eq!(refusal(forgery.send(forgery.signed())), code("match_code_denied"));
    assert_eq!(forgery.computer.here.service.get::<ApprovalAnswer>(&path).unwrap().approval.state, "denied");
    assert_eq!(refusal(forgery.send(forgery.signed())), code("already_decided"));
    assert_eq!(world.audited("match_code_denied"), 1);
}

#[test]
fn a_match_code_is_two_digits_and_nothing_else() {
    for text in ["", "1", "123", "1a", " 1", "+1", "\u{661}"] {
        assert!(MatchCode::try_from(text.to_owned()).is_err(), "{text}");
    }
    assert!(MatchCode::try_from("00".to_owned()).is_ok());
}

#[test]
fn a_device_of_too_low_a_level_cannot_approve_a_bank_account() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let bank = computer.apply(&new_bank_account());
    let address = computer.apply(&new_address());
    let try_with = |accepted: &ApplicationAccepted| {
        let mut script = Script::with_code(&accepted.match_code);
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
    };
    let Err(ApproveError::Service(error)) = try_with(&bank) else { panic!("B1 must not approve a bank account") };
    assert!(error.is_refused_with("level_too_low"));
    assert!(try_with(&address).is_ok(), "an address is what B1 may approve");
}

#[test]
fn another_persons_device_cannot_decide() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let max = world.registered(MAX);
    let accepted = erika.apply(&new_address());
    let mut forgery = Forgery::on(max, &new_address());
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    let answer: ApprovalAnswer = erika.here.service.get(&path).unwrap();
    forgery.decision.approval_id = accepted.approval_id;
    forgery.decision.document = answer.document;
    forgery.decision.challenge = answer.challenge.unwrap();
    forgery.decision.match_code = Some(accepted.match_code.clone());
    let device_id = forgery.computer.here.home.device().unwrap().device_id().unwrap();
    let request = DecisionRequest { device_id, decision: forgery.signed() };
    let path = format!("/v1/approvals/{}/decision", accepted.approval_id);
    let sent = erika.here.service.call::<_, serde_json::Value>(Method::POST, &path, &request);
    assert_eq!(refusal(sent), code("no_device"));
}

#[test]
fn a_document_that_deceives_is_never_shown() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let honest: serde_json::Value = serde_json::from_slice(&document_bytes(&world)).unwrap();
    type Forge = fn(&mut serde_json::Value);
    let forgeries: [(&str, Forge, ApplicationError); 7] = [
        ("version", |d| d["v"] = json!(2), ApplicationError::UnknownType),
        ("bidi", |d| d["data"]["new"]["city"] = json!("Leip\u{202E}zig"), ApplicationError::Text("city")),
        ("invisible", |d| d["data"]["old"]["street"] = json!("Weg\u{200B}"), ApplicationError::Text("street")),
        ("type", |d| d["type"] = json!("address.delete"), ApplicationError::UnknownType),
        ("template", |d| d["template"] = json!("address.change/2"), ApplicationError::UnknownType),
        ("extra", |d| d["data"]["new"]["note"] = json!("and my house"), ApplicationError::Data),
        ("postcode", |d| d["data"]["new"]["postal_code"] = json!("123"), ApplicationError::PostalCode),
    ];
    for (what, forge, expected) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        let document = FrozenDocument::from_bytes(forged.to_string().into_bytes());
        assert_eq!(document.read().unwrap_err(), expected, "{what}");
    }
    let endless = honest.to_string() + &" ".repeat(8 * 1024);
    assert_eq!(
        FrozenDocument::from_bytes(endless.into_bytes()).read().unwrap_err(),
        ApplicationError::Data,
        "too long"
    );
    let twice = honest.to_string().replacen('{', r#"{"v":1,"#, 1);
    assert!(FrozenDocument::from_bytes(twice.into_bytes()).read().is_err(), "a member that stands twice");

    // A service that hands the document of another approval, or of another person, is not believed.
    let update = [
        "UPDATE application SET document = CAST(replace(CAST(document AS TEXT), 'A123456780', 'M100200305') AS BLOB)",
        "UPDATE application SET document = \
         convert_to(replace(convert_from(document, 'UTF8'), 'A123456780', 'M100200305'), 'UTF8')",
    ];
    world.sql_each(update).unwrap();
    assert!(matches!(
        fetch(&computer.here, accepted.approval_id),
        Err(ApproveError::Service(ServiceError::Contradiction("document")))
    ));
}

#[test]
fn a_new_device_or_card_that_deceives_is_never_shown() {
    let document = |change| kartenbund::protocol::approval::Document {
        approval_id: [1; 16].into(),
        application_id: [2; 16].into(),
        account: kvnr(ERIKA),
        created: NOW.unix_timestamp(),
        change,
    };
    let Application::Address(address) = new_address() else { panic!("it is an address") };
    let card = Change::Card(NewCard { reason: CardReason::Lost, address });
    let (name, jkt) = ("PC im Wohnzimmer".to_owned(), [7; 32].into());
    let device = Change::Device(NewDevice { registration_id: [3; 16].into(), name, jkt, commit: [4; 32].into() });
    type Forge = fn(&mut serde_json::Value);
    let forgeries: [(&Change, Forge, ApplicationError); 6] = [
        (&card, |d| d["reason"] = json!("curiosity"), ApplicationError::Data),
        (&card, |d| d["address"]["city"] = json!("Leip\u{202E}zig"), ApplicationError::Text("city")),
        (&card, |d| d["note"] = json!("and a second one"), ApplicationError::Data),
        (&device, |d| d["name"] = json!("PC\u{200B}"), ApplicationError::Text("name")),
        (&device, |d| d["name"] = json!(""), ApplicationError::Text("name")),
        (&device, |d| d["jkt"] = json!("short"), ApplicationError::Data),
    ];
    for (change, forge, expected) in forgeries {
        let honest = document(change.clone()).freeze().unwrap();
        assert_eq!(&honest.read().unwrap().change, change);
        let mut forged: serde_json::Value = serde_json::from_slice(honest.as_bytes()).unwrap();
        forge(&mut forged["data"]);
        assert_eq!(FrozenDocument::from_bytes(forged.to_string().into_bytes()).read().unwrap_err(), expected);
    }
}
