//! Cards: what is read of them, recorded, and changed, without any account.

use super::*;

#[test]
fn reading_a_card_prints_exactly_the_documented_json() {
    let output = run(&["read", "--json", "--virtual-card", ERIKA]);
    assert!(output.status.success());
    let mut value = json_of(&output);
    let certificate = value["certificate"].as_object_mut().unwrap();
    for member in ["serial", "sha256"] {
        let text = certificate.insert(member.to_owned(), json!("…")).unwrap();
        assert!(text.as_str().unwrap().len() > 8);
    }
    value["insurance"]["start"] = json!("…");
    assert_eq!(
        value,
        json!({
            "card": {
                "iccsn": "80276999990000000017", "generation": "G2.1", "object_system": "4.5.2",
                "interface": "contact",
            },
            "person": {
                "kvnr": "A123456780", "given_name": "Erika Johanna", "family_name": "Müstermann",
                "name_prefix": null, "name_suffix": null, "title": null, "date_of_birth": "1964-08-12", "sex": "W",
                "address": {
                    "street": "Musterstraße", "house_number": "12a", "postal_code": "12345", "city": "Musterstadt",
                    "country": "D", "supplement": null,
                },
            },
            "insurance": {
                "payer_ik": "999567890", "payer_name": "Musterkasse NOT-VALID", "start": "…", "end": null,
                "insured_type": "1",
            },
            "certificate": {
                "algorithm": "BP256R1", "kvnr": "A123456780", "payer_ik": "999567890",
                "subject": "C=DE, O=Musterkasse NOT-VALID, OU=999567890, OU=A123456780, surname=Müstermann, \
                            givenName=Erika Johanna, CN=Erika Johanna Müstermann TEST-ONLY",
                "issuer": "C=DE, O=Kartenbund NOT-VALID, \
                           OU=Elektronische Gesundheitskarte-CA der Telematikinfrastruktur, \
                           CN=KARTENBUND.EGK-CA1 TEST-ONLY",
                "serial": "…", "not_before": "2026-01-01T00:00:00Z", "not_after": "2055-12-31T23:59:59Z",
                "profession_oid": "1.2.276.0.76.4.49", "sha256": "…",
            },
            "warnings": [],
        })
    );
    let short = run(&["read", "--json", "--short-apdus", "--virtual-card", ERIKA]);
    assert_eq!(short.stdout, output.stdout);
    let session = "fixtures/sessions/read-erika.jsonl";
    let replayed = run(&["replay", "--json", session]);
    assert_eq!(replayed.stdout, output.stdout);
    assert_eq!(json_of(&run(&["replay", "--json", session, "--virtual-card", ERIKA])), json!({ "same": true }));
    let other = run(&["replay", "--json", session, "--virtual-card", "fixtures/cards/max.xml"]);
    assert_eq!(error_code(&other).0, "session_mismatch");
}

#[test]
fn reading_a_card_speaks_german_and_english() {
    for (language, name, sex) in
        [("de", "  Versichertennummer: A123456780", "weiblich"), ("en", "  Insurance number: A123456780", "female")]
    {
        let output = run(&["read", "--lang", language, "--virtual-card", ERIKA]);
        let text = text(&output.stdout);
        assert!(text.contains(name) && text.contains(sex), "{text}");
    }
}

/// The text of a card that is odd in one way.
fn odd_card(change: impl FnOnce(&mut Blueprint), edit: impl FnOnce(String) -> String) -> String {
    let mut blueprint = Blueprint::new("A123456780".parse().unwrap(), "Erika", "Müstermann");
    change(&mut blueprint);
    let mut rng = UnwrapErr(getrandom::SysRng);
    let now = OffsetDateTime::now_utc();
    edit(personalise(&blueprint, &TestCa::built_in().unwrap(), &mut rng, now).unwrap())
}

#[test]
fn what_a_person_is_told_of_an_odd_card() {
    let folder = tempfile::tempdir().unwrap();
    let long_ago = datetime!(2020-01-01 0:00 UTC);
    let same = |image: String| image;
    // DF.HCA is the application with this identifier; its state stands behind it.
    let deactivated = |image: String| {
        let at = image.find("{D27600000102}").or_else(|| image.find("{d27600000102}")).unwrap();
        let (before, after) = image.split_at(at);
        let start = before.rfind("<child ").unwrap();
        let state = before[start..].find("ACTIVATED</attribute>").map(|found| start + found);
        match state {
            Some(state) => format!("{}DE{}{after}", &before[..state], &before[state..]),
            None => format!("{before}{}", after.replacen(">ACTIVATED<", ">DEACTIVATED<", 1)),
        }
    };
    let version =
        |number: &'static str| move |image: String| image.replace("C103040502", number).replace("c103040502", number);
    let cards = [
        (odd_card(|card| card.update_in_progress = true, same), "card_updating", 26),
        (odd_card(|card| card.kvnr_in_pd = Some("M100200305".parse().unwrap()), same), "card_mismatch", 27),
        (odd_card(|_| {}, deactivated), "card_deactivated", 23),
        (odd_card(|_| {}, version("C103030000")), "card_too_old", 21),
        (
            odd_card(
                |_| {},
                |image| image.replace("d2760001448000", "d2760001448099").replace("D2760001448000", "D2760001448099"),
            ),
            "not_an_egk",
            20,
        ),
        // Without rules nothing is free to read: that is how a card answers on a contactless reader.
        (
            odd_card(
                |_| {},
                |image| image.replace("00||b0||??||??", "00||b1||??||??").replace("00||B0||??||??", "00||B1||??||??"),
            ),
            "card_contactless",
            22,
        ),
        (odd_card(|_| {}, |image| image.replace("1F8B08", "1F8B09").replace("1f8b08", "1f8b09")), "card_data", 25),
    ];
    for (number, (image, code, exit_code)) in cards.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        std::fs::write(&path, image).unwrap();
        let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
        assert_eq!(error_code(&output), (code.to_owned(), exit_code));
        // The doctor says so too, where it is the card's and not its data's.
        let output = run(&["--json", "doctor", "--virtual-card", path.to_str().unwrap()]);
        match code {
            "card_deactivated" | "card_too_old" | "not_an_egk" => {
                assert_eq!(error_code(&output), (code.to_owned(), exit_code));
            }
            "card_contactless" => assert_eq!(json_of(&output)["card"]["kind"], "egk_contactless", "{output:?}"),
            _ => assert!(output.status.success(), "{output:?}"),
        }
    }
    let path = folder.path().join("expired.xml");
    let validity = Some((long_ago, long_ago + time::Duration::days(365)));
    std::fs::write(&path, odd_card(|card| card.validity = validity, same)).unwrap();
    let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(json_of(&output)["warnings"], json!(["certificate_expired"]));
    let output = run(&["--json", "doctor", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(error_code(&output), ("certificate_expired".to_owned(), 41));
    let output = run(&["read", "--virtual-card", path.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("Warning: The certificate of the card has expired."));

    // Oddities that are none: old schema, prefixes, no protected data.
    let path = folder.path().join("schema.xml");
    let old = |card: &mut Blueprint| (card.schema, card.prefixed, card.gvd) = (Schema::V5_1, true, false);
    std::fs::write(&path, odd_card(old, same)).unwrap();
    let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(json_of(&output)["person"]["family_name"], "Müstermann");
}

#[test]
fn a_session_without_contacts_is_recorded_played_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.jsonl");
    let file = file.to_str().unwrap();
    let record = ["--json", "record", "--virtual-card", ERIKA, "--contactless", "--out", file];
    assert_eq!(error_code(&run(&record)), ("card_contactless".to_owned(), 22), "there is nobody to ask for the number");
    let wrong = run(&[&record[..], &["--can", "123124"]].concat());
    assert_eq!(error_code(&wrong), ("can_wrong".to_owned(), 35));
    let recorded = json_of(&run(&[&record[..], &["--can", "123123"]].concat()));
    assert_eq!(recorded["card"]["interface"], "contactless");
    let played = json_of(&run(&["--json", "replay", file]));
    assert_eq!(played, recorded);
    let explained = text(&run(&["replay", "--explain", file]).stdout);
    assert!(explained.contains("00B08400") && !explained.contains("0CB08400"), "{explained}");
    let sent = run(&["--json", "replay", file, "--virtual-card", ERIKA, "--contactless"]);
    assert_eq!(error_code(&sent), ("session_file".to_owned(), 81), "it is sent to no card again");
    for refused in ["record", "read"] {
        let without = if refused == "read" { vec!["read"] } else { vec!["record", "--out", file] };
        let told = run(&[&without[..], &["--virtual-card", ERIKA, "--contactless"]].concat());
        assert!(text(&told.stderr).contains("--can"), "{refused}: {}", text(&told.stderr));
    }
}

#[test]
fn whether_a_card_is_genuine_is_told_with_what_that_does_not_show() {
    const ROOT: [&str; 2] = ["--cvc-root", "fixtures/pki/test-cvc-root.cvc"];
    let genuine = |card: &[&str], roots: &[&str], words: &[&str]| {
        run(&[&["card", "genuine", "--virtual-card"], card, roots, words].concat())
    };
    let told = genuine(&[ERIKA], &ROOT, &[]);
    assert_eq!(
        text(&told.stdout),
        "The chip is the one of its certificate, under the test root DEKXX810226. Test cards are no genuine health cards.\n\
         Card number 80276999990000000017, CA DEKXX110226.\n\
         That does not show whose card it is, nor who holds it, nor that it was not blocked. Not yet confirmed with a \
         real card.\n"
    );
    for (card, interface) in [(&[ERIKA][..], "contact"), (&[ERIKA, "--contactless", "--can", "123123"], "contactless")]
    {
        let expected = json!({
            "iccsn": "80276999990000000017", "authority": "DEKXX110226", "root": "DEKXX810226", "test_root": true,
            "interface": interface, "proves": "chip",
        });
        assert_eq!(json_of(&genuine(card, &ROOT, &["--json"])), expected);
    }

    let folder = tempfile::tempdir().unwrap();
    let card_with = |change: &dyn Fn(String) -> String| {
        let path = folder.path().join("card.xml");
        std::fs::write(&path, change(std::fs::read_to_string(ERIKA).unwrap())).unwrap();
        error_code(&genuine(&[path.to_str().unwrap()], &ROOT, &["--json"]))
    };
    let refused = ("chip_refused".to_owned(), 45);
    let xml = std::fs::read_to_string(ERIKA).unwrap();
    let max = std::fs::read_to_string("fixtures/cards/max.xml").unwrap();
    let key_of = |xml: &str| {
        let key = xml.split("id=\"PrK.eGK.AUT_CVC.E256\"").nth(1).unwrap();
        key.split("id=\"privateKey\">").nth(1).unwrap()[..64].to_owned()
    };
    assert_eq!(card_with(&|xml| xml.replace(&key_of(&xml), &key_of(&max))), refused, "a copied certificate");
    assert_eq!(card_with(&|xml| xml.replace("5F200C0009", "5F200C0006")), refused, "another key's certificate");
    assert_eq!(
        card_with(&|xml| xml.replace("7F2181DA", "3082014A")),
        ("card_data".to_owned(), 25),
        "X.509 in its place"
    );
    let expired = |card: &mut Blueprint| {
        card.validity = Some((datetime!(2026-01-01 00:00 UTC), datetime!(2026-01-02 00:00 UTC)));
    };
    assert_eq!(card_with(&|_| odd_card(expired, |xml| xml)), refused);
    let path = folder.path().join("card.xml");
    let told = genuine(&[path.to_str().unwrap()], &ROOT, &[]);
    assert!(text(&told.stderr).starts_with("The certificate of the chip has expired.\n"));
    std::fs::write(&path, xml.replace(&key_of(&xml), &key_of(&max))).unwrap();
    let told = genuine(&[path.to_str().unwrap()], &ROOT, &[]);
    assert!(text(&told.stderr).starts_with("The chip did not show that it is the one of its certificate."));
    let not_yet = |card: &mut Blueprint| {
        card.validity = Some((datetime!(2054-01-01 00:00 UTC), datetime!(2055-01-01 00:00 UTC)));
    };
    assert_eq!(card_with(&|_| odd_card(not_yet, |xml| xml)), refused);
    let told = text(&genuine(&[path.to_str().unwrap()], &ROOT, &[]).stderr);
    assert!(told.starts_with("The certificate of the chip is not valid yet.\n") && told.contains("clock"), "{told}");

    let chip = folder.path().join("other.cvc");
    let own = TestCa::generate(&mut UnwrapErr(getrandom::SysRng), "Other", OffsetDateTime::now_utc()).unwrap();
    std::fs::write(&chip, own.cvc_root()).unwrap();
    let other = ["--cvc-root", chip.to_str().unwrap()];
    assert_eq!(error_code(&genuine(&[ERIKA], &other, &["--json"])), refused, "a root that is not this card's");
    let told = genuine(&[ERIKA], &other, &[]);
    assert!(text(&told.stderr).starts_with("The certificate of the chip is by a root that was not named.\n"));
    assert!(text(&told.stderr).contains("--cvc-root"), "naming another root helps here, and nowhere else");
    let other_ca = card_with(&|xml| xml.replacen("0844454B5858110226", "0844454B5858110227", 2));
    assert_eq!(other_ca, refused, "the chip's issuer is not the CA on its card");
    let told = text(&genuine(&[path.to_str().unwrap()], &ROOT, &[]).stderr);
    assert!(!told.contains("--cvc-root"), "{told}");
    assert!(genuine(&[ERIKA], &[other, ROOT].concat(), &[]).status.success(), "one of several roots");
    let ca = ["--cvc-root", "fixtures/pki/test-cvc-ca.cvc"];
    assert_eq!(error_code(&genuine(&[ERIKA], &ca, &["--json"])), ("cvc_root".to_owned(), 46), "a CA is no root");
    let absent = ["--cvc-root", "fixtures/pki/absent.cvc"];
    assert_eq!(error_code(&genuine(&[ERIKA], &absent, &["--json"])), ("file".to_owned(), 6));
    assert_eq!(error_code(&genuine(&[ERIKA], &[], &["--json"])), ("usage".to_owned(), 2), "nobody vouches by default");
    assert_eq!(
        error_code(&genuine(&[ERIKA, "--contactless"], &ROOT, &["--json"])),
        ("card_contactless".to_owned(), 22),
        "the CAN is missing"
    );
}

#[test]
fn the_pin_of_a_card_is_asked_for_and_changed_without_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let status = run(&["--json", "card", "pin", "status", "--virtual-card", ERIKA]);
    assert_eq!(json_of(&status), json!({ "state": "usable", "tries_left": 3 }));
    let told = run(&["card", "pin", "status", "--virtual-card", ERIKA, "--contactless", "--can", "123123"]);
    assert_eq!(text(&told.stdout), "The PIN can be entered; 3 tries are left.\n");
    let scenario = folder.path().join("reset.toml");
    for (reset, answer) in [("reset_after = 2", None), ("reset_every = 2", Some(("card_reset".to_owned(), 9)))] {
        std::fs::write(&scenario, format!("[reader]\n{reset}\n")).unwrap();
        let words = ["card", "pin", "status", "--virtual-card", ERIKA, "--scenario", scenario.to_str().unwrap()];
        let told = run(&[&["--json"], &words[..]].concat());
        match answer {
            None => assert_eq!(json_of(&told)["tries_left"], 3, "another program reset the card once"),
            Some(refused) => assert_eq!(error_code(&told), refused),
        }
    }
    let with = |words: &[&str], lines| {
        let mut all = vec!["card", "pin"];
        all.extend(words);
        all.extend(["--virtual-card", ERIKA]);
        run_with(folder.path(), &all, "--pin-fd", lines)
    };
    assert_eq!(json_of(&with(&["change"], "123456\n24680246\n")), json!({ "changed": true }));
    assert_eq!(error_code(&with(&["change"], "654321\n24680246\n")), ("card_pin_wrong".to_owned(), 30));
    assert_eq!(error_code(&with(&["change"], "123456\n12345\n")), ("input_invalid".to_owned(), 5));
    assert_eq!(error_code(&with(&["change"], "123456\n")), ("nobody_there".to_owned(), 4));
    assert_eq!(json_of(&with(&["unblock"], "12345678\n24680246\n")), json!({ "unblocked": true }));
    assert_eq!(json_of(&with(&["unblock", "--keep-pin"], "")), json!({ "unblocked": false }));
    let wrong = with(&["unblock"], "87654321\n24680246\n");
    assert_eq!(error_code(&wrong), ("puk_wrong".to_owned(), 36));
    assert!(json_of(&wrong)["error"]["message"].as_str().unwrap().contains("it can be used 9 more times"));
}
