use super::*;
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::client::doctor::card::Exchange;
use crate::client::doctor::{Answer, Computer, SessionStore, Usb};
use crate::client::home::Place;
use crate::client::keyring::KeyRingError;
use crate::client::service::ServiceError;
use crate::egk::{ApduLength, Egk, EgkError, Generation, ObjectSystem, OtherCard};
use crate::reader::CardChannel;
use crate::reader::pcsc::{Sandbox, Slot};
use crate::ui::system::System;
use crate::ui::text::Language;

const NOW: NumericDate = 1_795_000_000;
const ANSWERED: Exchange = Exchange { header: [0x00, 0xA4, 0x04, 0x0C], status: Some(StatusWord(0x9000)) };

fn texts(language: Language, system: System) -> Texts {
    Texts::new(language).on(system)
}

fn reader(name: &str, slot: Slot) -> Reader {
    Reader { name: name.to_owned(), slot, atr: Vec::new() }
}

/// A computer with service, reader and no more.
fn with_reader() -> Facts {
    Facts {
        service: Some(Ok(())),
        readers: Some(Ok(vec![reader("Virtual (0815) 00 00", Slot::Card)])),
        chosen: Some(Ok(())),
        now: NOW,
        ..Facts::default()
    }
}

fn with_service(answer: Result<(), ChannelError>) -> Facts {
    Facts { service: Some(answer), now: NOW, ..Facts::default() }
}

fn without_reader(usb: Option<Usb>) -> Facts {
    Facts {
        computer: Computer { usb, ..Computer::default() },
        service: Some(Ok(())),
        readers: Some(Ok(Vec::new())),
        chosen: Some(Err(ChannelError::NoReader { wanted: None })),
        now: NOW,
        ..Facts::default()
    }
}

fn with_card(kind: Result<(), EgkError>, validity: Option<Validity>, pin: Option<PinStatus>) -> Facts {
    let version = Some((Generation::G21, ObjectSystem([4, 5, 2])));
    let card = CardFacts { atr: vec![0x3B], version, kind, validity, pin: pin.map(Ok), exchanges: vec![ANSWERED] };
    Facts { card: Some(Ok(card)), ..with_reader() }
}

fn with_account(account: Account) -> Facts {
    Facts { account: Some(account), now: NOW, ..Facts::default() }
}

fn asked(network: Network, answer: Result<Answer, ServiceError>) -> Facts {
    with_account(Account::Asked { network, answer })
}

/// What a card with this answer to GET PIN STATUS is said to be in.
fn pin_status(status: [u8; 2]) -> PinStatus {
    struct Card([u8; 2]);
    impl CardChannel for Card {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            let answer: &[u8] = match command.header() {
                [0x80, 0x20, ..] => &self.0,
                [0x00, 0xB0, ..] => &[0xEF, 0x05, 0xC1, 0x03, 4, 5, 2, 0x90, 0x00],
                _ => &[0x90, 0x00],
            };
            ResponseApdu::parse(answer).ok_or(ChannelError::Malformed)
        }

        fn reset(&mut self) -> Result<(), ChannelError> {
            Ok(())
        }
    }
    Egk::open(Card(status), ApduLength::Short).unwrap().pin_status().unwrap()
}

/// Verdict and code of every step.
fn verdicts(facts: &Facts) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let one = |step: Step| {
        let finding = judge(step, facts);
        let code = if let Finding::Failed(failure) = &finding { Some(failure.kind.code()) } else { None };
        (step.name(), finding.verdict(), code)
    };
    Step::ALL.map(one).to_vec()
}

fn verdict(step: Step, facts: &Facts) -> (&'static str, Option<&'static str>) {
    let all = verdicts(facts);
    let (_, verdict, code) = all.iter().find(|(name, ..)| *name == step.name()).unwrap();
    (verdict, *code)
}

fn said(step: Step, facts: &Facts, system: System) -> String {
    judge(step, facts).lines(step, &texts(Language::En, system)).join("\n")
}

#[test]
fn what_was_not_looked_at_is_never_ok() {
    for (step, verdict, code) in verdicts(&Facts { now: NOW, ..Facts::default() }) {
        assert_eq!((verdict, code), ("skipped", None), "{step}");
    }
}

#[test]
fn each_step_rests_on_those_before() {
    let facts = with_service(Err(ChannelError::NoService));
    let found: Vec<_> = verdicts(&facts).into_iter().map(|(_, verdict, code)| (verdict, code)).collect();
    assert_eq!(found[0], ("failed", Some("no_pcsc_service")));
    assert!(found[1..].iter().all(|found| *found == ("skipped", None)), "{found:?}");
    let found: Vec<_> =
        verdicts(&without_reader(Some(Usb::default()))).into_iter().map(|(_, verdict, _)| verdict).collect();
    assert_eq!(found[..7], ["ok", "ok", "skipped", "failed", "skipped", "skipped", "skipped"]);
}

#[test]
fn the_service_that_does_not_run_is_started_as_this_system_does() {
    for (system, remedies) in [
        (System::Debian, &["sudo apt install pcscd libccid", "sudo systemctl enable --now pcscd.socket"][..]),
        (System::Fedora, &["sudo dnf install pcsc-lite pcsc-lite-ccid", "sudo systemctl enable --now pcscd.socket"]),
        (System::Arch, &["sudo pacman -S pcsclite ccid", "sudo systemctl enable --now pcscd.socket"]),
        (System::Linux, &["package manager", "sudo systemctl enable --now pcscd.socket"]),
        (System::Windows, &["\"Smart Card\" (SCardSvr)"]),
        (System::MacOs, &["part of macOS"]),
    ] {
        let told = said(Step::Service, &with_service(Err(ChannelError::NoService)), system);
        assert!(
            told.starts_with("Service for card readers: failed. The service for card readers (PC/SC) does not run.")
        );
        for remedy in remedies {
            assert!(told.contains(remedy), "{system:?}: {told}");
        }
    }
}

#[test]
fn a_service_that_lets_nobody_in_is_none_that_does_not_run() {
    for (refusal, service, rights, cause, remedy) in [
        (Refusal::Rights, "ok", "failed", "does not let this program in", "polkit rule"),
        // Nobody sees through a door that is shut.
        (Refusal::Socket, "skipped", "failed", "may not open the way", "the group of /run/pcscd/pcscd.comm"),
        (
            Refusal::Version,
            "failed",
            "skipped",
            "do not understand one another",
            "pcscd and libpcsclite to the same version",
        ),
        (
            Refusal::Sandbox(Sandbox::Flatpak("de.example.App".to_owned())),
            "skipped",
            "failed",
            "runs in Flatpak",
            "flatpak override --user --socket=pcsc de.example.App",
        ),
        (
            Refusal::Sandbox(Sandbox::Snap("kartenbund".to_owned())),
            "skipped",
            "failed",
            "runs as a snap",
            "sudo snap connect kartenbund:pcscd",
        ),
    ] {
        let facts = with_service(Err(ChannelError::NotAllowed(refusal.clone())));
        let code = |verdict| (verdict == "failed").then_some("not_allowed");
        assert_eq!(verdict(Step::Service, &facts), (service, code(service)), "{refusal:?}");
        assert_eq!(verdict(Step::Rights, &facts), (rights, code(rights)), "{refusal:?}");
        let told = said(Step::Service, &facts, System::Debian) + &said(Step::Rights, &facts, System::Debian);
        assert!(told.contains(cause) && told.contains(remedy) && !told.contains("does not run"), "{told}");
    }
    let failure = Failure::from(ChannelError::NotAllowed(Refusal::Rights));
    assert_eq!((failure.kind.code(), failure.kind.exit_code()), ("not_allowed", 19));
    for (system, remedy) in [(System::Windows, "remote desktop"), (System::MacOs, "Privacy & Security")] {
        let facts = with_service(Err(ChannelError::NotAllowed(Refusal::Rights)));
        assert!(said(Step::Rights, &facts, system).contains(remedy));
    }
}

#[test]
fn a_driver_is_missing_only_where_a_reader_is_plugged_in() {
    let usb = |has_reader, has_reiner_sct| without_reader(Some(Usb { has_reader, has_reiner_sct }));
    assert_eq!(verdict(Step::Driver, &usb(false, false)), ("skipped", None));
    assert_eq!(verdict(Step::Reader, &usb(false, false)), ("failed", Some("no_reader")));
    assert_eq!(verdict(Step::Driver, &without_reader(None)), ("skipped", None), "nothing can be seen");
    assert_eq!(verdict(Step::Driver, &with_reader()), ("ok", None));
    for facts in [usb(true, false), usb(true, true), usb(false, true)] {
        assert_eq!(verdict(Step::Driver, &facts), ("failed", Some("no_reader")));
        assert_eq!(verdict(Step::Reader, &facts), ("skipped", None), "it is there, and only not known");
    }
    for (system, ccid, reiner_sct) in [
        (System::Debian, "sudo apt install libccid", "sudo apt install libifd-cyberjack6"),
        (System::Fedora, "sudo dnf install pcsc-lite-ccid", "www.reiner-sct.com"),
        (System::Arch, "sudo pacman -S ccid", "www.reiner-sct.com"),
        (System::Linux, "Install the driver \"ccid\"", "www.reiner-sct.com"),
    ] {
        let told = said(Step::Driver, &usb(true, false), system);
        assert!(told.contains("its driver is missing") && told.contains(ccid), "{told}");
        let told = said(Step::Driver, &usb(true, true), system);
        assert!(told.contains("REINER SCT") && told.contains(reiner_sct) && !told.contains(ccid), "{told}");
    }
}

/// A second reader, one without contacts in a laptop for example, says nothing of the first.
#[test]
fn a_reader_that_the_service_knows_is_no_driver_for_another() {
    let beside = |name: &str| Facts {
        computer: Computer { usb: Some(Usb { has_reader: true, has_reiner_sct: true }), ..Computer::default() },
        readers: Some(Ok(vec![reader("Alcor Link 00 00", Slot::Empty), reader(name, Slot::Empty)])),
        ..with_reader()
    };
    let facts = beside("Alcor Link 01 00");
    assert_eq!(verdict(Step::Driver, &facts), ("failed", Some("no_reader")));
    assert!(said(Step::Driver, &facts, System::Debian).contains("libifd-cyberjack6"));
    for name in ["REINER SCT cyberJack RFID standard (1234567890) 01 00", "REINER SCT CyberJack one", "cyberJack pp 0"]
    {
        assert_eq!(
            said(Step::Driver, &beside(name), System::Linux),
            "Driver: ok. The service knows at least one reader."
        );
    }
}

/// It talks to the reader at the USB port by itself, and then pcscd does not get it.
#[test]
fn a_reader_that_gnupg_holds_lacks_no_driver() {
    for has_reiner_sct in [false, true] {
        let mut facts = without_reader(Some(Usb { has_reader: true, has_reiner_sct }));
        facts.computer.scdaemon = true;
        assert_eq!(verdict(Step::Driver, &facts), ("failed", Some("no_reader")));
        assert_eq!(verdict(Step::Reader, &facts), ("skipped", None));
        let told = said(Step::Driver, &facts, System::Debian);
        assert!(told.contains("most likely scdaemon of GnuPG") && !told.contains("apt install"), "{told}");
        assert!(told.contains("Next: \"gpgconf --kill scdaemon\", then plug the reader in again"), "{told}");
    }
    let mut facts = without_reader(Some(Usb { has_reader: false, has_reiner_sct: true }));
    facts.computer.scdaemon = true;
    assert!(said(Step::Driver, &facts, System::Debian).contains("libifd-cyberjack6"), "none that GnuPG could hold");
}

#[test]
fn a_reader_is_named_without_its_serial_number() {
    assert_eq!(said(Step::Reader, &with_reader(), System::Linux), "Card reader: ok. Virtual 00 00.");
    let wanted = Some("Cherry (1234567890) 00 00".to_owned());
    let facts = Facts { chosen: Some(Err(ChannelError::NoReader { wanted })), ..with_reader() };
    let told = said(Step::Reader, &facts, System::Linux);
    assert!(told.contains("\"Cherry 00 00\" is not connected"), "{told}");
}

#[test]
fn a_card_that_cannot_be_used_is_told_with_what_helps() {
    for (error, code, remedy) in [
        (ChannelError::NoCard, "no_card", "Put the health card into the reader"),
        (ChannelError::MuteCard, "mute_card", "Turn the card over"),
        (ChannelError::SeveralCards, "several_cards", "--reader NAME"),
        (ChannelError::InUse, "card_in_use", "AusweisApp"),
        (ChannelError::NotAllowed(Refusal::Rights), "not_allowed", "polkit rule"),
    ] {
        let chosen = format!("{error:?}");
        let facts = Facts { chosen: Some(Err(error)), ..with_reader() };
        assert_eq!(verdict(Step::Card, &facts), ("failed", Some(code)), "{chosen}");
        assert_eq!(verdict(Step::CardType, &facts), ("skipped", None), "{chosen}");
        assert!(said(Step::Card, &facts, System::Debian).contains(remedy), "{chosen}");
    }
}

#[test]
fn a_mute_card_is_turned_over_first_then_cleaned_then_put_elsewhere() {
    for (language, words) in [
        (Language::De, ["Drehen Sie die Karte um", "reinigen", "anderen Leser", "fünf Sekunden"]),
        (Language::En, ["Turn the card over", "clean", "another reader", "five seconds"]),
    ] {
        let facts = Facts { chosen: Some(Err(ChannelError::MuteCard)), ..with_reader() };
        let told = judge(Step::Card, &facts).remedy(&texts(language, System::Linux)).unwrap();
        let places: Vec<_> =
            words.iter().map(|word| told.find(word).unwrap_or_else(|| panic!("{word}: {told}"))).collect();
        assert!(places.is_sorted() && places[0] == 0, "{told}");
    }
}

#[test]
fn who_holds_the_card_is_named_as_far_as_it_is_known() {
    let mut facts = Facts { card: Some(Err(ChannelError::InUse)), ..with_reader() };
    for system in System::ALL {
        let told = said(Step::Card, &facts, system);
        for kind in ["second Kartenbund", "banking and tax programs", "AusweisApp", "practice software", "browsers"] {
            assert!(told.contains(kind), "{system:?}: {told}");
        }
        assert_eq!(told.contains("Certificate Propagation"), system == System::Windows, "{told}");
        assert_eq!(told.contains("gpgconf --kill scdaemon"), system != System::Windows, "{told}");
        assert!(!told.contains("most likely"), "{told}");
    }
    facts.computer.scdaemon = true;
    let told = said(Step::Card, &facts, System::Debian);
    assert!(told.contains("most likely scdaemon of GnuPG") && told.contains("Next: Set the reader free"), "{told}");
}

#[test]
fn the_type_of_the_card_is_said_plainly() {
    let failed = |error| with_card(Err(error), None, None);
    for (facts, expected, words) in [
        (with_card(Ok(()), Some(Validity::Valid), None), ("ok", None), "generation G2.1, valid"),
        (failed(EgkError::Contactless), ("warning", None), "needs the card access number (CAN), six digits"),
        (failed(EgkError::Contactless), ("warning", None), "only then can be seen whether the card is valid"),
        (failed(EgkError::NotAnEgk(OtherCard::Hba)), ("failed", Some("not_an_egk")), "health professional's card"),
        (failed(EgkError::NotAnEgk(OtherCard::SmcB)), ("failed", Some("not_an_egk")), "practice"),
        (failed(EgkError::NotAnEgk(OtherCard::Unknown)), ("failed", Some("not_an_egk")), "not an electronic health"),
        (failed(EgkError::TooOld(ObjectSystem([3, 0, 0]))), ("failed", Some("card_too_old")), "too old"),
        (failed(EgkError::Deactivated), ("failed", Some("card_deactivated")), "switched off"),
        (failed(EgkError::NoCertificate), ("failed", Some("card_data")), "lacks the certificate"),
        (with_card(Ok(()), Some(Validity::Expired), None), ("failed", Some("certificate_expired")), "has expired"),
        (with_card(Ok(()), Some(Validity::NotYet), None), ("warning", None), "not valid yet"),
        (with_card(Ok(()), None, None), ("failed", Some("card_data")), "damaged or incomplete"),
    ] {
        assert_eq!(verdict(Step::CardType, &facts), expected, "{words}");
        assert!(said(Step::CardType, &facts, System::Linux).contains(words), "{words}");
        assert_eq!(verdict(Step::Card, &facts), ("ok", None), "it answers");
    }
}

/// Pulled at once, or silent: then nothing is known of its type.
#[test]
fn a_card_that_never_answered_does_not_answer() {
    for (error, code) in [(ChannelError::Removed, "card_removed"), (ChannelError::Timeout, "card_timeout")] {
        let mut facts = with_card(Err(error.into()), None, None);
        assert_eq!(verdict(Step::Card, &facts), ("ok", None), "it has answered before");
        assert_eq!(verdict(Step::CardType, &facts), ("failed", Some(code)));
        assert!(said(Step::Pin, &facts, System::Linux).contains("a health card that can be used"));
        if let Some(Ok(card)) = &mut facts.card {
            card.exchanges = vec![Exchange { status: None, ..ANSWERED }];
        }
        assert_eq!(verdict(Step::Card, &facts), ("failed", Some(code)));
        assert_eq!(verdict(Step::CardType, &facts), ("skipped", None));
        assert!(said(Step::Pin, &facts, System::Linux).contains("a health card that answers"));
    }
}

#[test]
fn the_tries_of_the_pin_are_told_with_advice() {
    for (status, expected, words) in [
        ([0x63, 0xC3], ("ok", None), "3 tries are left; none was spent"),
        ([0x63, 0xC2], ("warning", None), "Look it up in the PIN letter"),
        ([0x63, 0xC1], ("warning", None), "Only one try is left"),
        ([0x63, 0xC0], ("failed", Some("card_pin_blocked")), "kartenbund card pin unblock"),
        ([0x69, 0x83], ("failed", Some("card_pin_blocked")), "kartenbund card pin unblock"),
        ([0x62, 0xC1], ("warning", None), "kartenbund card pin change"),
        ([0x62, 0xC7], ("warning", None), "has no PIN yet"),
        ([0x62, 0xD0], ("failed", Some("card_no_pin")), "cannot be used"),
        ([0x90, 0x00], ("warning", None), "Take the card out"),
    ] {
        let facts = with_card(Ok(()), Some(Validity::Valid), Some(pin_status(status)));
        assert_eq!(verdict(Step::Pin, &facts), expected, "{status:X?}");
        assert!(said(Step::Pin, &facts, System::Linux).contains(words), "{words}");
    }
    let contactless = with_card(Err(EgkError::Contactless), None, None);
    assert!(said(Step::Pin, &contactless, System::Linux).contains("not checked. That needs the card access number"));
}

#[test]
fn a_clock_is_right_only_beside_another_one() {
    let skew = |skew| asked(Network::Connected, Ok(Answer { skew, has_session: true }));
    assert_eq!(verdict(Step::Clock, &with_account(Account::None)), ("skipped", None));
    assert_eq!(verdict(Step::Clock, &asked(Network::Connected, Err(ServiceError::KeyChanged))), ("skipped", None));
    for (seconds, expected) in [(0, "ok"), (120, "ok"), (-120, "ok"), (121, "warning"), (-121, "warning")] {
        assert_eq!(verdict(Step::Clock, &skew(seconds)), (expected, None), "{seconds}");
    }
    assert!(said(Step::Clock, &skew(-3600), System::Debian).contains("by 3600 seconds"));
    let past = Facts { now: 0, ..Facts::default() };
    for (system, remedy) in [
        (System::Debian, "sudo timedatectl set-ntp true"),
        (System::Windows, "Time & language"),
        (System::MacOs, "Date & Time"),
    ] {
        for facts in [&past, &skew(7200)] {
            assert!(said(Step::Clock, facts, system).contains(remedy), "{system:?}");
        }
    }
    assert_eq!(verdict(Step::Clock, &past), ("warning", None));
}

#[test]
fn the_network_and_the_service_are_told_apart() {
    let malformed = || Err(ServiceError::Malformed);
    for (facts, network, account) in [
        (with_account(Account::None), ("skipped", None), ("skipped", None)),
        (asked(Network::NoName, malformed()), ("failed", Some("service_unreachable")), ("skipped", None)),
        (asked(Network::NoLine, malformed()), ("failed", Some("service_unreachable")), ("skipped", None)),
        (asked(Network::Proxy, malformed()), ("skipped", None), ("failed", Some("service_answer"))),
        (asked(Network::Answers, malformed()), ("skipped", None), ("failed", Some("service_unreachable"))),
        (asked(Network::Connected, malformed()), ("ok", None), ("failed", Some("service_answer"))),
        (
            asked(Network::Connected, Err(ServiceError::KeyChanged)),
            ("ok", None),
            ("failed", Some("service_key_changed")),
        ),
        (asked(Network::NotTried, Err(ServiceError::Address)), ("skipped", None), ("failed", Some("service_address"))),
        (asked(Network::Connected, Ok(Answer { skew: 0, has_session: false })), ("ok", None), ("ok", None)),
    ] {
        assert_eq!(verdict(Step::Network, &facts), network, "{facts:?}");
        assert_eq!(verdict(Step::Account, &facts), account, "{facts:?}");
    }
}

/// In the network of a hotel somebody answers at every address; with a wrong clock no certificate is valid.
#[test]
fn who_only_takes_the_call_is_not_the_service() {
    let facts = asked(Network::Answers, Err(ServiceError::Malformed));
    assert!(said(Step::Network, &facts, System::Linux).contains("whether it is the service cannot be seen"));
    let told = said(Step::Account, &facts, System::Linux);
    assert!(
        told.contains("Next: Check date and time of this computer") && told.contains("log in there in the browser")
    );
}

#[test]
fn a_service_says_nothing_in_words_of_its_own() {
    let refused = |code: &str| {
        let (code, detail) = (code.to_owned(), Some("Erika".to_owned()));
        asked(
            Network::Connected,
            Err(ServiceError::Refused { code, detail, retry_after: None, trace_id: "Erika".to_owned() }),
        )
    };
    assert!(said(Step::Account, &refused("out_of_order"), System::Linux).contains("(out_of_order)"));
    assert!(said(Step::Account, &refused("Erika A123456780"), System::Linux).contains("(-)"));
}

#[test]
fn a_file_is_named_without_its_folder() {
    let error = || HomeError::Damaged { path: "/home/erika/.local/share/kartenbund/profile.json".into() };
    let facts = Facts { key_store: Some(KeyStore::Unusable(error())), ..with_account(Account::Unusable(error())) };
    for step in [Step::Account, Step::KeyStore] {
        assert_eq!(verdict(step, &facts), ("failed", Some("file_damaged")));
        let told = said(step, &facts, System::Linux);
        assert!(told.contains("profile.json") && !told.contains("erika"), "{told}");
    }
    for (key_store, expected) in [
        (KeyStore::Usable, ("ok", None)),
        (KeyStore::Pending, ("warning", None)),
        (KeyStore::EndsSoon, ("warning", None)),
        (KeyStore::Ended, ("failed", Some("device_expired"))),
        (KeyStore::Empty, ("skipped", None)),
        (KeyStore::Unusable(HomeError::DeviceDamaged), ("failed", Some("device_file"))),
    ] {
        let facts = Facts { key_store: Some(key_store), ..Facts::default() };
        assert_eq!(verdict(Step::KeyStore, &facts), expected);
    }
}

#[test]
fn where_the_login_is_kept_is_told_and_a_key_ring_that_keeps_it_back() {
    let facts = |session_store| Facts { session_store: Some(session_store), ..Facts::default() };
    for (store, expected, words) in [
        (SessionStore::Usable(Place::KeyRing), ("ok", None), "key ring"),
        (SessionStore::Usable(Place::File), ("ok", None), "in a file"),
        (SessionStore::Empty, ("skipped", None), "Nobody has logged in"),
        (SessionStore::Unusable(KeyRingError::Lost.into()), ("failed", Some("key_ring")), "not there any more"),
    ] {
        let facts = facts(store);
        assert_eq!(verdict(Step::SessionStore, &facts), expected);
        assert!(said(Step::SessionStore, &facts, System::Linux).contains(words), "{words}");
    }
}

#[test]
fn only_who_has_seen_everything_says_that_nothing_hinders() {
    let card = |status| with_card(Ok(()), Some(Validity::Valid), Some(pin_status(status)));
    let whole = |status| Facts {
        account: asked(Network::Connected, Ok(Answer { skew: 0, has_session: true })).account,
        key_store: Some(KeyStore::Usable),
        session_store: Some(SessionStore::Usable(Place::KeyRing)),
        ..card(status)
    };
    for (facts, expected) in [
        (whole([0x63, 0xC3]), "Nothing found that hinders you."),
        (whole([0x62, 0xC1]), "Nothing broken was found; heed the notes."),
        (card([0x63, 0xC3]), "As far as was checked, nothing hinders you."),
        (card([0x62, 0xC1]), "Nothing broken was found; heed the notes."),
    ] {
        let findings: Vec<_> = Step::ALL.into_iter().map(|step| (step, judge(step, &facts))).collect();
        assert_eq!(ending(&findings, &texts(Language::En, System::Linux)), expected);
    }
}

/// Nothing is left out of the texts, and no remedy is empty, on any system and in both languages.
#[test]
fn everything_has_its_sentence() {
    let all = [
        with_service(Err(ChannelError::NoService)),
        with_service(Err(ChannelError::NotAllowed(Refusal::Rights))),
        with_service(Err(ChannelError::NotAllowed(Refusal::Socket))),
        without_reader(None),
        without_reader(Some(Usb { has_reader: true, has_reiner_sct: true })),
        Facts {
            computer: Computer {
                usb: Some(Usb { has_reader: true, has_reiner_sct: false }),
                scdaemon: true,
                ..Computer::default()
            },
            ..without_reader(None)
        },
        with_reader(),
        with_card(Ok(()), Some(Validity::Valid), Some(pin_status([0x63, 0xC1]))),
        with_card(Err(EgkError::Contactless), None, None),
        asked(Network::Proxy, Ok(Answer { skew: 500, has_session: true })),
        asked(Network::Answers, Err(ServiceError::Malformed)),
        Facts { is_image: true, key_store: Some(KeyStore::Pending), ..Facts::default() },
    ];
    for language in [Language::De, Language::En] {
        for system in System::ALL {
            let texts = texts(language, system);
            for facts in &all {
                for step in Step::ALL {
                    let finding = judge(step, facts);
                    for line in finding.lines(step, &texts) {
                        assert!(!line.contains("doctor-") && !line.contains("error-") && !line.contains('{'), "{line}");
                        assert!(line.ends_with(['.', '”', '“', ')', '"']), "{line}");
                        assert!(!line.contains('\n') && line.len() > 20, "{line}");
                    }
                }
            }
        }
    }
}
