//! The configuration file: what is wrong in it is named with its place before anything is opened or made.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;

use kartenbund::protocol::BindingLevel;
use kartenbund::server::{Config, ConfigError, Database, Encryption, Fault, Wrong};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509, X509NameBuilder};

/// RFC 7515, A.3.1.
const JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
/// RFC 7517, A.1.
const NEXT_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
const INSURER: &str = "[insurer]\nname = \"Musterkasse\"\n";

/// A folder in which everything lies that the example names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("secrets/url", "postgresql://kartenbund:geheim@db.example/kartenbund\n"),
        ("secrets/password", "die Post\n"),
        ("mail-ca.pem", include_str!("../fixtures/pki/test-egk-ca.pem")),
        ("ca.pem", include_str!("../fixtures/pki/test-egk-ca.pem")),
        ("tsl-ca.pem", include_str!("../fixtures/pki/test-tsl-ca.pem")),
        ("ocsp.pem", include_str!("../fixtures/pki/test-egk-ca.pem")),
        ("texts/de.toml", "[letter]\ntelephone = \"Telefon\"\n"),
        ("texts/en.toml", "[letter]\ntelephone = \"Phone\"\n"),
        ("ident/2026.json", JWK),
        ("clients/website.json", JWK),
        ("clients/next.json", NEXT_JWK),
        ("clients/private.json", &JWK.replace('}', r#","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#)),
        ("operators/anna", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  -\n"),
        ("real.pem", &real_ca()),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// A CA (PEM) that no name marks as one of a test.
fn real_ca() -> String {
    let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "Kartenbund.Fictional-CA1").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().build().unwrap()).unwrap();
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(identifier).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
}

fn variable(name: &str) -> Option<String> {
    match name {
        "KARTENBUND_URL" => Some("postgresql://kartenbund:geheim@db.example/kartenbund".to_owned()),
        "KARTENBUND_PASSWORD" => Some("die Post".to_owned()),
        _ => None,
    }
}

fn read(folder: &Path, text: &str) -> Result<Config, ConfigError> {
    let file = folder.join("kartenbund.toml");
    std::fs::write(&file, text).unwrap();
    Config::read(&file, &variable)
}

fn faults(text: &str) -> Vec<Fault> {
    match read(folder().path(), text) {
        Err(ConfigError::Settings { faults, .. }) => faults,
        other => panic!("{other:?}"),
    }
}

fn told(text: &str) -> Vec<String> {
    faults(text).iter().map(ToString::to_string).collect()
}

/// The example as it is when every setting in it is used: no line is left behind `#` but those that explain.
fn used(example: &str) -> String {
    let uses = |line: &&str| line.strip_prefix('#').is_none_or(|rest| !rest.starts_with(' '));
    example.lines().filter(uses).map(|line| line.strip_prefix('#').unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_example_is_a_configuration_as_it_stands() {
    let folder = folder();
    let config = read(folder.path(), &Config::example()).unwrap();
    assert_eq!(config.settings.data, folder.path().join("data"), "beside the file");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8470");
}

/// Sections that hold nothing but defaults.
const DEFAULTS: [&str; 5] = ["#[accounts]", "#[passwords]", "#[logins]", "#[sessions]", "#[cards]"];

#[test]
fn the_defaults_that_the_example_tells_are_the_ones_there_are() {
    let folder = folder();
    let example = Config::example();
    let without = read(folder.path(), &example).unwrap();
    // Only defaults are used: examples say that they are some, and sections that are off stay off.
    let mut in_use = true;
    let defaults: String = example
        .lines()
        .map(|line| {
            if line.trim_start_matches('#').starts_with('[') && !line.starts_with("# ") {
                in_use = !line.starts_with('#') || DEFAULTS.contains(&line);
            }
            let default = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.contains("# example"));
            let is_default = in_use && default.is_some_and(|rest| !rest.contains("_env"));
            (if is_default { default.unwrap() } else { line }).to_owned() + "\n"
        })
        .collect();
    assert!(defaults.contains("\nlisten = ") && defaults.contains("\npayer_iks = "), "{defaults}");
    let with = read(folder.path(), &defaults).unwrap();
    assert_eq!(format!("{with:?}"), format!("{without:?}"));
}

#[test]
fn every_setting_of_the_example_can_be_used() {
    let folder = folder();
    let all = used(&Config::example());
    // A secret comes from one place.
    for left_out in ["_env", "_file = \"secrets"] {
        let text: String =
            all.lines().filter(|line| !line.contains(left_out)).map(|line| line.to_owned() + "\n").collect();
        // Whose list it is has to be said, in one of two settings.
        let (before, list) = text.split_once("[trust_list]").unwrap();
        let list = list.replacen("test_anchors = []", "test_anchors = [\"tsl-ca.pem\"]", 1);
        let text = format!("{before}[trust_list]{list}");
        let config = read(folder.path(), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let list = config.settings.trust_list.unwrap();
        assert_eq!((list.list, list.signers.len()), (folder.path().join("ECC-RSA_TSL.xml"), 1));
        assert_eq!(config.settings.issuer, "https://konto.kasse.example");
        assert!(matches!(config.settings.database, Database::Postgresql(_)));
        assert_eq!(config.tls.unwrap().certificate, folder.path().join("tls/fullchain.pem"));
        let smtp = config.settings.smtp.unwrap();
        assert_eq!((smtp.host.as_str(), smtp.port, smtp.encryption), ("mail.kasse.example", 587, Encryption::StartTls));
        let login = smtp.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.expose()), ("kartenbund", "die Post"));
        assert_eq!(config.settings.operators[0].name, "anna");
        let provider = &config.settings.identity_providers[0];
        assert_eq!((provider.issuer.as_str(), provider.keys.len()), ("https://ident.example", 1));
        assert_eq!(provider.methods, ["selfie_ident"]);
        let ocsp = &config.settings.ocsp[0];
        assert_eq!((ocsp.url.as_str(), ocsp.responders.len(), ocsp.cert_hash), ("http://ocsp.example/", 1, true));
        assert_eq!(ocsp.issuer, ocsp.responders[0].der(), "both files hold the same here");
        let client = &config.settings.clients[0];
        assert_eq!((client.id.as_str(), client.display_name()), ("website", "Website der Musterkasse"));
        assert_eq!(client.keys.len(), 1);
        assert_eq!(config.settings.operators[0].token_sha256[..2], [0x9f, 0x86]);
    }
}

#[test]
fn a_mail_server_that_could_not_be_trusted_is_refused() {
    let mail = |lines: &str| told(&format!("{INSURER}[mail]\nfrom = \"post@kasse.example\"\n{lines}"));
    assert!(mail("host = \"mail.kasse.example\"\nencryption = \"none\"\n")[0].contains("is not this computer"));
    assert!(mail("host = \"x.example\"\nencryption = \"None\"\n")[0].contains("\"starttls\", \"tls\" or \"none\""));
    assert!(mail("host = \"x.example\"\nca = \"kartenbund.toml\"\n")[0].contains("holds no certificate"));
    assert!(mail("host = \"x.example\"\nuser = \"kasse\"\n")[0].contains("mail.password: this setting is missing"));
    assert!(mail("host = \"x.example\"\npassword_env = \"KARTENBUND_PASSWORD\"\n")[0].contains("mail.user: "));
    let nobody = told(&format!("{INSURER}[mail]\nhost = \"x.example\"\nfrom = \"Kasse\"\n"));
    assert!(nobody[0].contains("the sender of notices is no e-mail address"), "{nobody:?}");
    let port = mail("host = \"x.example\"\nport = 0\n");
    assert!(port[0].contains("a number from 1 to 65535 is expected"), "{port:?}");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    for (text, expected) in [
        ("lisen = \"127.0.0.1:1\"\n", "line 1: lisen: there is no such setting; did you mean listen?"),
        ("\n[insurers]\nname = \"x\"\n", "line 2: insurers: there is no such setting; did you mean insurer?"),
        ("[cards]\npayer_ik = []\n", "line 2: cards.payer_ik: there is no such setting; did you mean cards.payer_iks?"),
        (
            "[admin.tls]\ncertificat = 1\n",
            "line 2: admin.tls.certificat: there is no such setting; did you mean admin.tls.certificate?",
        ),
        (
            "[[admin.operator]]\n\nnam = 1\n",
            "line 3: admin.operator.nam: there is no such setting; did you mean admin.operator.name?",
        ),
        (
            "[database]\nurl_fil = \"x\"\n",
            "line 2: database.url_fil: there is no such setting; did you mean database.url_file?",
        ),
        ("zzz = 1\n", "line 1: zzz: there is no such setting"),
    ] {
        let told = told(text);
        assert!(told.contains(&expected.to_owned()), "{text}: {told:#?}");
    }
}

#[test]
fn a_value_that_cannot_be_is_named_with_its_key() {
    for (text, expected) in [
        ("data = 7\n", "line 1: data: a text in quotes is expected, not a number"),
        ("data = \" \"\n", "line 1: data: the text is empty"),
        ("stop_delay = \"0\"\n", "line 1: stop_delay: a whole number is expected, not a text"),
        ("stop_delay = -1\n", "line 1: stop_delay: a number from 0 to 300 is expected"),
        ("stop_delay = 99999999999999999999\n", "line 1: stop_delay: a number from 0 to 300 is expected"),
        (
            "listen = \"localhost\"\n",
            "line 1: listen: an address with its port is expected, such as 127.0.0.1:8470 or [::1]:8470",
        ),
        ("insurer = 1\n", "line 1: insurer: a section is expected, not a number"),
        ("[cards]\npayer_iks = \"123456789\"\n", "line 2: cards.payer_iks: a list in brackets is expected, not a text"),
        ("[cards]\npayer_iks = [\"12345678\"]\n", "line 2: cards.payer_iks: an IK has nine digits"),
        (
            "[proxy]\naddresses = [\"10.0.0.0/40\"]\n",
            "line 2: proxy.addresses: an address, or a network such as 10.0.0.0/8",
        ),
        ("[proxy]\n", "line 1: proxy.addresses: this setting is missing"),
        ("", "insurer.name: this setting is missing"),
        (
            "[admin.operator]\nname = \"a\"\n",
            "line 1: admin.operator: sections in double brackets is expected, not a section",
        ),
        (
            "[[admin.operator]]\nname = \"Anna Muster\"\n",
            "line 2: admin.operator.name: a name has at most 32 small letters, digits, dots and hyphens",
        ),
    ] {
        let told = told(text);
        assert!(told.contains(&expected.to_owned()), "{text}: {told:#?}");
    }
    for issuer in [
        "konto.example",
        "http://konto.example",
        "https://",
        "https://a/b",
        "https://A.example",
        "http://127.0.0.1.example",
        "https://a b",
    ] {
        let told = told(&format!("issuer = \"{issuer}\"\n{INSURER}"));
        assert!(told.len() == 1 && told[0].starts_with("line 1: issuer: https://HOST"), "{issuer}: {told:#?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_in_order() {
    let told = told("data = 1\nlisten = 2\n\n[insurer]\nname = 3\n");
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("line 1: data") && told[2].starts_with("line 5: insurer.name"), "{told:#?}");
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    let error = read(folder().path(), "data = \"x\"\nlisten = \n").unwrap_err();
    assert!(matches!(&error, ConfigError::Toml { line: 2, .. }), "{error}");
    let twice = read(folder().path(), "data = \"x\"\ndata = \"y\"\n").unwrap_err();
    assert!(matches!(&twice, ConfigError::Toml { line: 2, .. }), "{twice}");
}

#[test]
fn a_secret_is_never_in_the_file_and_comes_from_one_place() {
    let typed = told(&format!("{INSURER}[database]\nurl = \"postgresql://kartenbund:geheim@db/x\"\n"));
    let expected = "line 4: database.url: a secret is not written into this file: name a file with url_file, or an \
                    environment variable with url_env";
    assert_eq!(typed, [expected]);
    let both = told(&format!("{INSURER}[database]\nurl_file = \"secrets/url\"\nurl_env = \"KARTENBUND_URL\"\n"));
    assert_eq!(both, ["line 5: database.url_env: the secret comes from a file or from the environment, not from both"]);
    let unset = told(&format!("{INSURER}[database]\nurl_env = \"NOBODY\"\n"));
    assert_eq!(unset, ["line 4: database.url_env: the environment variable NOBODY is not set, or empty"]);
    let missing = told(&format!("{INSURER}[database]\nurl_file = \"nowhere\"\n"));
    assert!(missing[0].starts_with("line 4: database.url_file: ") && missing[0].contains("nowhere"), "{missing:#?}");
    let shown =
        format!("{:?}", read(folder().path(), &format!("{INSURER}[database]\nurl_file = \"secrets/url\"\n")).unwrap());
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn plain_http_leaves_this_computer_only_where_a_proxy_is_named() {
    let network =
        |more: &str| format!("listen = \"0.0.0.0:80\"\nissuer = \"https://konto.example\"\n{more}\n{INSURER}");
    let refused = faults(&network(""));
    assert!(matches!(refused[..], [Fault { line: Some(1), wrong: Wrong::NotLoopback(_), .. }]), "{refused:?}");
    let folder = folder();
    assert!(read(folder.path(), &network("[proxy]\naddresses = [\"10.0.0.1\"]")).is_ok());
    assert!(read(folder.path(), &network("[tls]\ncertificate = \"c\"\nkey = \"k\"")).is_ok());
    let unnamed = told(&format!("listen = \"0.0.0.0:80\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n{INSURER}"));
    assert_eq!(unnamed, ["issuer: this setting is missing"]);
}

#[test]
fn the_operators_listener_needs_operators_and_no_proxy_excuses_plain_http() {
    let proxy = "[proxy]\naddresses = [\"10.0.0.1\"]\n";
    let operator = "[[admin.operator]]\nname = \"anna\"\ntoken_sha256_file = \"operators/anna\"\n";
    let network = faults(&format!("{INSURER}{proxy}[admin]\nlisten = \"10.0.0.2:1\"\n{operator}"));
    assert!(
        matches!(&network[..], [Fault { wrong: Wrong::NotLoopback(_), key, .. }] if key == "admin.listen"),
        "{network:?}"
    );
    let here = "[admin]\nlisten = \"127.0.0.1:1\"\n";
    assert_eq!(told(&format!("{INSURER}{here}")), ["admin.operator: this setting is missing"]);
    assert!(told(&format!("{INSURER}{here}{operator}{operator}"))[0].contains("the same name or token"));
    assert!(read(folder().path(), &format!("{INSURER}{here}{operator}")).is_ok());
}

#[test]
fn lives_of_sessions_go_together() {
    let invited = told(&format!("{INSURER}[letters]\npassword_days = 10\ninvite_days = 10\n"));
    assert!(invited[0].starts_with("line 5: letters.invite_days: "), "{invited:?}");
    let told = told(&format!("{INSURER}[sessions]\naccess_token = 600\nidle = 300\nmaximum = 299\n"));
    assert!(told.iter().any(|told| told.starts_with("line 6: sessions.maximum: a number from 300")), "{told:#?}");
    let told = self::told(&format!("{INSURER}[sessions]\naccess_token = 600\nidle = 500\nmaximum = 400\n"));
    assert!(
        told[0].starts_with("line 5: sessions.idle: ") && told[1].starts_with("line 6: sessions.maximum: "),
        "{told:#?}"
    );
}

#[test]
fn makers_of_tpms_are_cas_with_a_key_of_their_kind() {
    let roots = |file: &str| {
        format!("{INSURER}[cards]\ntpm_roots = [\"{}/fixtures/pki/{file}\"]\n", env!("CARGO_MANIFEST_DIR"))
    };
    let config = read(folder().path(), &roots("test-egk-rsa-ca.pem")).unwrap();
    assert!(!config.settings.tpm_roots.is_empty(), "any CA with RSA may be one");
    // On brainpoolP256r1 there is none, and what is no certificate is told.
    for file in ["test-egk-ca.pem", "test-egk-ca.key.pem"] {
        let refused = faults(&roots(file));
        assert!(
            matches!(&refused[..], [Fault { wrong: Wrong::Anchor(..), key, .. }] if key == "cards.tpm_roots"),
            "{file}"
        );
    }
}

#[test]
fn a_test_ca_gets_neither_among_nor_beside_production_ones() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-egk-ca.pem");
    let among = faults(&format!("{INSURER}[cards]\nanchors = [\"{ca}\"]\n"));
    assert!(matches!(&among[..], [Fault { wrong: Wrong::Anchor(..), key, .. }] if key == "cards.anchors"), "{among:?}");
    let config = read(folder().path(), &format!("{INSURER}[cards]\ntest_anchors = [\"{ca}\"]\n")).unwrap();
    assert!(config.settings.anchors.accept_test_cards());
}

#[test]
fn identity_providers_are_told_apart_and_have_keys_that_are_some() {
    let provider = |issuer: &str, key: &str| {
        format!("[[identity_provider]]\nissuer = \"{issuer}\"\nkeys = [\"{key}\"]\nmethods = [\"selfie_ident\"]\n")
    };
    let (one, other) = (provider("https://a", "ident/2026.json"), provider("https://b", "ident/2026.json"));
    let config = read(folder().path(), &format!("{INSURER}{one}{other}")).unwrap();
    assert_eq!(config.settings.identity_providers.len(), 2);
    assert!(told(&format!("{INSURER}{one}{one}"))[0].contains("the same name"));
    assert!(told(&format!("{INSURER}{}", provider("https://a", "operators/anna")))[0].contains("no JWK on P-256"));
}

#[test]
fn a_responder_for_cards_is_one_that_can_be_asked_and_believed() {
    let ocsp = |issuer: &str, url: &str, responders: &str| {
        let lines = format!("[[ocsp]]\nissuer = \"{issuer}\"\nurl = \"{url}\"\nresponders = [{responders}]\n");
        format!("{INSURER}{lines}")
    };
    let (url, responder) = ("http://ocsp.example/", "\"ocsp.pem\"");
    let warnings = |text: String| read(folder().path(), &text).unwrap().warnings();
    let warned = |warnings: &[&str]| warnings.iter().any(|warning| warning.contains("[[ocsp]]"));
    assert!(warned(&warnings(ocsp("ca.pem", url, responder))), "no card of this CA is taken");
    let with_anchor = format!("{}[cards]\ntest_anchors = [\"ca.pem\"]\n", ocsp("ca.pem", url, responder));
    assert!(!warned(&warnings(with_anchor)));
    assert!(told(&ocsp("operators/anna", url, responder))[0].contains("no certificate in PEM"));
    assert!(told(&ocsp("ca.pem", "ldap://ocsp.example/", responder))[0].contains("http://"));
    assert!(told(&ocsp("ca.pem", url, ""))[0].contains("at least one responder"));
    assert!(told(&ocsp("ca.pem", url, "\"operators/anna\""))[0].contains("no certificate in PEM"));
}

#[test]
fn a_trust_list_has_a_signer_and_real_cards_never_meet_test_cards_in_it() {
    let list = |more: &str| format!("{INSURER}[trust_list]\nlist = \"a.xml\"\nsignature = \"a.sig\"\n{more}\n");
    let cards = |text: &str| format!("[cards]\n{text}\n");
    let config = read(folder().path(), &list("test_anchors = [\"tsl-ca.pem\"]")).unwrap();
    assert!(config.settings.anchors.accept_test_cards() && config.settings.anchors.issuers().is_empty());
    let warned = |part: &str| config.warnings().iter().any(|warning| warning.contains(part));
    assert!(warned("test cards are accepted") && !warned("no health card"));
    assert!(told(&list(""))[0].contains("trust_list.anchors: this setting is missing"));
    assert!(told(&list("anchors = [\"tsl-ca.pem\"]"))[0].contains("test CA"));
    assert!(told(&list("anchors = [\"operators/anna\"]"))[0].contains("no certificate in PEM"));
    let both = format!("{}{}", list("anchors = [\"real.pem\"]\ntest_anchors = [\"tsl-ca.pem\"]"), "");
    assert!(told(&both).iter().any(|told| told.contains("never meet")), "{:?}", told(&both));
    let real = list("anchors = [\"real.pem\"]");
    assert!(!read(folder().path(), &real).unwrap().settings.anchors.accept_test_cards());
    let mixed = format!("{real}{}", cards("test_anchors = [\"ca.pem\"]"));
    assert!(told(&mixed).iter().any(|told| told.contains("never meet")));
    let mixed = format!("{}{}", list("test_anchors = [\"tsl-ca.pem\"]"), cards("anchors = [\"real.pem\"]"));
    assert!(told(&mixed).iter().any(|told| told.contains("never meet")));
    let tests = format!("{}{}", list("test_anchors = [\"tsl-ca.pem\"]"), cards("test_anchors = [\"ca.pem\"]"));
    assert_eq!(read(folder().path(), &tests).unwrap().settings.anchors.issuers().len(), 1);
    // With a list, the responders for a CA are those in it.
    let ocsp = "[[ocsp]]\nissuer = \"ca.pem\"\nurl = \"http://ocsp.example/\"\n";
    assert!(read(folder().path(), &format!("{tests}{ocsp}")).is_ok());
}

#[test]
fn clients_are_told_apart_and_have_keys_of_their_own() {
    let client = |id: &str, keys: &str| format!("[[client]]\nid = \"{id}\"\nkeys = [{keys}]\n");
    let (now, next) = ("\"clients/website.json\"", "\"clients/next.json\"");
    let (website, kiosk) = (client("website", now), client("kiosk", next));
    let config = read(folder().path(), &format!("{INSURER}{website}{kiosk}")).unwrap();
    assert_eq!(config.settings.clients[1].display_name(), "kiosk", "without a name the identifier");
    let both = read(folder().path(), &format!("{INSURER}{}", client("website", &format!("{now}, {next}")))).unwrap();
    assert_eq!(both.settings.clients[0].keys.len(), 2);

    let twice = "line 3: client: two clients have the same identifier or key";
    assert_eq!(told(&format!("{INSURER}{website}{}", client("website", next))), [twice]);
    assert_eq!(told(&format!("{INSURER}{website}{}", client("kiosk", now))), [twice]);
    let two = client("kiosk", &format!("{next}, {now}"));
    assert_eq!(told(&format!("{INSURER}{website}{two}")), [twice]);
    for (id, keys, wrong) in [
        ("Website", now, "id: a name has at most 32 small letters, digits, dots and hyphens"),
        ("web site", now, "id: a name has at most 32 small letters, digits, dots and hyphens"),
        ("web/site", now, "id: a name has at most 32 small letters, digits, dots and hyphens"),
        (&"w".repeat(33), now, "id: a name has at most 32 small letters, digits, dots and hyphens"),
        ("website", "", "keys: at least one key is needed"),
        ("website", "\"operators/anna\"", "keys: a file holds no JWK on P-256"),
        ("website", "\"clients/private.json\"", "keys: a file holds no JWK on P-256"),
        ("website", "\"clients/nowhere.json\"", "nowhere.json: "),
    ] {
        let told = told(&format!("{INSURER}{}", client(id, keys)));
        assert!(told.len() == 1 && told[0].contains(wrong), "{id} {keys}: {told:#?}");
    }
    for name in ["a\\nb", "\u{202E}", &"n".repeat(101)] {
        let told = told(&format!("{INSURER}{website}name = \"{name}\"\n"));
        assert_eq!(told, ["line 6: client.name: a name is plain text of at most 100 characters"], "{name}");
    }
    let missing = told(&format!("{INSURER}[[client]]\n"));
    assert_eq!(missing, ["line 3: client.id: this setting is missing", "line 3: client.keys: this setting is missing"]);
}

#[test]
fn texts_that_are_wrong_are_named_with_their_file_and_line() {
    let folder = folder();
    let read = |texts: &str, more: &str| {
        std::fs::write(folder.path().join("texts/de.toml"), texts).unwrap();
        let text = format!("[insurer]\nname = \"Musterkasse\"\n{more}[texts]\nde = \"texts/de.toml\"\n");
        read(folder.path(), &text)
    };
    let told = |texts: &str| match read(texts, "") {
        Err(ConfigError::Settings { faults, .. }) => faults.iter().map(ToString::to_string).collect::<String>(),
        other => panic!("{other:?}"),
    };
    let wrong = told("[letter]\ntelefone = \"Telefon\"\n[notice.device_added]\ntext = \"{dat}\"\n");
    let lines: Vec<_> = wrong.lines().collect();
    assert!(lines[0].starts_with("line 4: texts.de: ") && lines[0].ends_with("texts/de.toml"), "{wrong}");
    let expected = [
        "    line 2: letter.telefone: there is no such text; did you mean letter.telephone?",
        "    line 4: notice.device_added.text: nothing can stand for {dat} here; did you mean {date}?",
    ];
    assert_eq!(lines[1..], expected);
    let naming = "[notice.device_added]\ntext = \"Rufen Sie an: {hotline}\"\n";
    assert!(told(naming).ends_with("texts: a text names {hotline}, and insurer.hotline is not set"));
    assert!(read(naming, "hotline = \"0800 000000\"\n").is_ok());
}

#[test]
fn a_service_behind_a_proxy_that_nobody_named_is_warned_of() {
    let folder = folder();
    let warned = |text: &str| {
        let warnings = read(folder.path(), &format!("{text}{INSURER}")).unwrap().warnings();
        warnings.iter().any(|warning| warning.starts_with("no [proxy]"))
    };
    let public = "issuer = \"https://konto.example\"\n";
    assert!(warned(public));
    assert!(!warned(&format!("{public}[proxy]\naddresses = [\"127.0.0.1\"]\n")));
    assert!(!warned(&format!("{public}[tls]\ncertificate = \"c\"\nkey = \"k\"\n")));
    assert!(!warned(&format!("{public}listen = \"10.0.0.1:80\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n")));
    assert!(!warned("issuer = \"http://127.0.0.1:8470\"\n") && !warned(""), "a try on one computer");
}

#[test]
fn levels_of_approvals_are_raised_and_never_lowered_and_they_live_for_an_hour_at_most() {
    let config = |approvals: &str| read(folder().path(), &format!("{INSURER}[approvals]\n{approvals}\n"));
    let raised = config("life = 60\naddress_change = \"B3\"\ncontact_change = \"B2\"").unwrap().settings.approvals;
    assert_eq!((raised.life, raised.address_change, raised.contact_change), (3600, BindingLevel::B3, BindingLevel::B2));
    let default = config("").unwrap().settings.approvals;
    assert_eq!(
        (default.life, default.address_change, default.contact_change),
        (900, BindingLevel::B1, BindingLevel::B1)
    );
    for wrong in ["life = 4", "life = 61", "address_change = \"B4\"", "address_change = \"b1\"", "bank_change = \"B1\""]
    {
        assert!(config(wrong).is_err(), "{wrong}");
    }
    for kind in ["bank.change", "card.order", "password.reset", "device.add"] {
        assert_eq!(raised.least_level(kind.parse().unwrap()), BindingLevel::B3, "{kind}");
    }
}

#[test]
fn what_programs_would_not_show_to_people_is_refused_where_it_is_written() {
    for (name, value) in
        [("name", "Musterkasse "), ("name", "Muster\u{AD}kasse"), ("hotline", "0800\u{202E}1"), ("hotline", " 0800")]
    {
        let other = if name == "name" { "" } else { "name = \"Musterkasse\"\n" };
        let told = told(&format!("[insurer]\n{other}{name} = \"{value}\"\n"));
        let line = if name == "name" { 2 } else { 3 };
        assert_eq!(
            told,
            [format!("line {line}: insurer.{name}: what is shown to people is plain text of at most 100 characters")]
        );
    }
    let told = told("min_client = \"1.2\"\n[insurer]\nname = \"Musterkasse\"\n");
    assert_eq!(told, ["line 1: min_client: a version of three numbers is expected, such as 1.2.0"]);
}
