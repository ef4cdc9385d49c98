//! The image of a fictional card in gematik's format: the objects that this project reads, with the rules of the
//! specification (gemSpec_eGK_ObjSys_G2_1). Rules for administration are left out; the card has no keys for it.

use bp256::BrainpoolP256r1;
use ecdsa::SigningKey;
use rsa::BoxedUint;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use zeroize::Zeroizing;

use super::PersonaliseError;

/// What makes one card differ from another.
pub(super) struct Content<'a> {
    pub(super) iccsn: Vec<u8>,
    pub(super) status_vd: Vec<u8>,
    pub(super) pd: Vec<u8>,
    pub(super) vd: Vec<u8>,
    pub(super) gvd: Vec<u8>,
    /// C.CH.AUT.E256 (DER) and PrK.CH.AUT.E256.
    pub(super) e256: Option<(Vec<u8>, &'a SigningKey<BrainpoolP256r1>)>,
    /// C.CH.AUT.R2048 (DER) and PrK.CH.AUT.R2048.
    pub(super) r2048: Option<(Vec<u8>, &'a rsa::PrivateKey)>,
    /// PIN blocks in hexadecimal.
    pub(super) pin: Zeroizing<String>,
    pub(super) puk: Zeroizing<String>,
    pub(super) can: Zeroizing<String>,
}

/// An answer to reset that card software knows as a health card's.
const ATR: &str = "3BD097FF81B1FE451F072B";
/// Buffer sizes: extended commands of 2057 bytes, answers of 32770 (gemSpec_COS, EF.ATR).
const EF_ATR: &str = "E0110202080902030080020202080902020809";
/// PACE with AES-128 on brainpoolP256r1 (BSI TR-03110).
const EF_CARD_ACCESS: &str = "31143012060A04007F0007020204020202010202010D";
/// Object system 4.3.2 of generation 2; the same product.
const EF_VERSION2_G2: &str =
    "EF2BC003020000C103040302C2104B525442445649525455414C20010000C403010000C503020000C703010000";
/// Object system 4.5.2; product `KRTBD` `VIRTUAL ` 1.0.0.
const EF_VERSION2: &str = "EF2BC003020000C103040502C2104B525442445649525455414C20010000C403010000C503020000C703010000";

const ALWAYS: &str = "ALW";
/// Contactless: inside the secure channel that the CAN opens.
const CHANNEL: &str = "AND{SMMAC(02),SMRSPENC}";
/// EF.GVD: MRPIN.home, or PIN.CH or nothing beside a professional's card.
const GVD_READERS: &str =
    "OR{PWD(02),AND{PWD(01),AUTCHAT(cvc_FlagList_TI:00000004000000)},AUTCHAT(cvc_FlagList_TI:00000002000000)}";
/// PrK.CH.AUT: MRPIN.home, or PIN.CH beside a professional's card.
const KEY_USERS: &str = "OR{PWD(02),AND{PWD(01),AUTCHAT(cvc_FlagList_TI:00080000000000)}}";

/// Writes the image.
pub(super) fn image(content: &Content<'_>) -> Result<String, PersonaliseError> {
    let channel = |readers: &str| format!("AND{{SMMAC(02),SMRSPENC,{readers}}}");
    let hex = |bytes: &[u8]| hex::encode_upper(bytes);

    let hca = [
        file("EF.PD", "d001", "01", 850, &hex(&content.pd), ALWAYS, CHANNEL)?,
        file("EF.VD", "d002", "02", 1250, &hex(&content.vd), ALWAYS, CHANNEL)?,
        file("EF.GVD", "d003", "03", 600, &hex(&content.gvd), GVD_READERS, &channel(GVD_READERS))?,
        file("EF.StatusVD", "d00c", "0c", 25, &hex(&content.status_vd), ALWAYS, CHANNEL)?,
    ];
    let mut esign = Vec::new();
    if let Some((certificate, key)) = &content.e256 {
        esign.push(file("EF.C.CH.AUT.E256", "c504", "04", 1900, &hex(certificate), ALWAYS, CHANNEL)?);
        esign.push(private_key(key));
    }
    if let Some((certificate, key)) = &content.r2048 {
        esign.push(file("EF.C.CH.AUT.R2048", "c500", "01", 1900, &hex(certificate), ALWAYS, CHANNEL)?);
        esign.push(rsa_key(key));
    }
    // Cards of generation 2 have contacts only.
    let is_old = content.e256.is_none();
    let version = if is_old { EF_VERSION2_G2 } else { EF_VERSION2 };
    let gdo = format!("5A0A{}", hex(&content.iccsn));
    let mut mf = vec![
        folder("DF.HCA", "Application", "d27600000102", None, &hca),
        folder("DF.ESIGN", "Application", "a000000167455349474e", None, &esign),
        file("EF.ATR", "2f01", "1d", 19, EF_ATR, ALWAYS, ALWAYS)?,
        ef_dir(),
        file("EF.GDO", "2f02", "02", 12, &gdo, ALWAYS, CHANNEL)?,
        file("EF.Version2", "2f11", "11", 60, version, ALWAYS, ALWAYS)?,
        pin_ch(&content.pin, &content.puk),
        mrpin_home(),
    ];
    if !is_old {
        mf.push(file("EF.CardAccess", "011c", "1c", 22, EF_CARD_ACCESS, ALWAYS, ALWAYS)?);
        mf.push(can(&content.can));
    }
    let mf = folder("MF", "ADF", "d2760001448000", Some("3f00"), &mf);
    let iccsn8: String = hex(&content.iccsn).chars().skip(4).collect();
    let system = [("coldAnswerToReset", ATR), ("warmAnswerToReset", ATR), ("iccsn8", &iccsn8)];
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!-- A fictional card of the Kartenbund project. NOT-VALID, TEST-ONLY: its keys are published. -->\n\
         <card version=\"3\" name=\"eGK {}, Kartenbund NOT-VALID\">\n<objectSystem>\n\
         <attribute id=\"root\">\n{mf}</attribute>\n{}\
         <attribute id=\"lifeCycleStatus\">ACTIVATED</attribute>\n</objectSystem>\n</card>\n",
        if is_old { "G2, PTV_4.3.2" } else { "G2.1, PTV_4.5.2" },
        attributes(&system),
    ))
}

fn attributes(attributes: &[(&str, &str)]) -> String {
    attributes.iter().map(|(id, value)| format!("<attribute id=\"{id}\">{value}</attribute>\n")).collect()
}

/// An object: its attributes, then what lies in it.
fn object(id: &str, object_type: &str, own: &[(&str, &str)], content: &str) -> String {
    let own = attributes(&[own, &[("lifeCycleStatus", "ACTIVATED")]].concat());
    format!("<child id=\"{id}\" objectType=\"{object_type}\">\n<attributes>\n{own}</attributes>\n{content}</child>\n")
}

/// Rules for commands with these headers, on either interface.
fn rules(headers: &str, contact: &str, contactless: &str) -> String {
    let block = |condition| format!("{{ [ACTIVATED,1,{{ ({{{headers}}},{condition}) }}]}}");
    format!("CB{}, CL{}", block(contact), block(contactless))
}

fn folder(id: &str, object_type: &str, aid: &str, fid: Option<&str>, objects: &[String]) -> String {
    let aid = format!("{{{aid}}}");
    let own: Vec<_> = fid.map(|fid| ("fileIdentifier", fid)).into_iter().collect();
    let own = [[("applicationIdentifier", aid.as_str()), ("shareable", "TRUE")].as_slice(), &own].concat();
    object(id, object_type, &own, &format!("<children>\n{}</children>\n", objects.concat()))
}

/// A transparent file of `allocated` bytes that holds `body` (hexadecimal).
fn file(
    id: &'static str,
    fid: &str,
    sfi: &str,
    allocated: usize,
    body: &str,
    contact: &str,
    contactless: &str,
) -> Result<String, PersonaliseError> {
    let length = body.len() / 2;
    if length > allocated {
        return Err(PersonaliseError::TooSmall(id));
    }
    let own = [
        ("body", body),
        ("fileIdentifier", fid),
        ("shortFileIdentifier", sfi),
        ("shareable", "TRUE"),
        ("accessRules", &rules("00||b0||??||??", contact, contactless)),
        ("numberOfOctet", &format!("{allocated:04x}")),
        ("positionLogicalEndOfFile", &format!("{length:04X}")),
    ];
    Ok(object(id, "TransparentElementaryFile", &own, ""))
}

/// EF.DIR: one record for each application.
fn ef_dir() -> String {
    let records: String = ["61094F07D2760001448000", "61084F06D27600000102", "610C4F0AA000000167455349474E"]
        .into_iter()
        .map(|record| [("recordLifeCycleStatus", "ACTIVATED"), ("recordValue", record)])
        .map(|record| format!("<record>\n{}</record>\n", attributes(&record)))
        .collect();
    let own = [
        ("fileIdentifier", "2f00"),
        ("shortFileIdentifier", "1e"),
        ("shareable", "TRUE"),
        ("accessRules", &rules("00||b2||??||??,00||a2||??||??", ALWAYS, CHANNEL)),
        ("maximumNumberOfRecords", "14"),
        ("maximumRecordLength", "20"),
        ("numberOfOctet", "00c8"),
    ];
    object("EF.DIR", "LinearVariableElementaryFile", &own, &format!("<records>\n{records}</records>\n"))
}

/// What the card's PIN allows without contacts needs the secure channel; its status needs no encryption.
fn password_rules() -> String {
    let change = "00||24||00||??,00||2c||00||??,00||2c||01||??,00||20||00||??";
    format!(
        "CB{{ [ACTIVATED,1,{{ ({{{change},80||20||00||??}},ALW) }}]}}, \
         CL{{ [ACTIVATED,1,{{ ({{{change}}},AND{{SMMAC(02),SMCMDENC}}), ({{80||20||00||??}},SMMAC(02)) }}]}}"
    )
}

fn pin_ch(pin: &str, puk: &str) -> String {
    let own = [
        ("pwdIdentifier", "01"),
        ("accessRules", &password_rules()),
        ("minimumLength", "06"),
        ("maximumLength", "08"),
        ("startRetryCounter", "03"),
        ("retryCounter", "03"),
        ("transportStatus", "regularPassword"),
        ("flagEnabled", "TRUE"),
        ("startSSecList", "{(1,INFINITY)}"),
        ("pukUsage", "0a"),
        ("secret", pin),
        ("PUK", puk),
    ];
    object("PIN.CH", "PWD", &own, "")
}

/// MRPIN.home: the digits and the counter of PIN.CH under another reference.
fn mrpin_home() -> String {
    let own = [
        ("passwordReference", "01"),
        ("accessRules", &password_rules()),
        ("pwdIdentifier", "02"),
        ("flagEnabled", "TRUE"),
        ("startSSecList", "{(1,INFINITY)}"),
    ];
    object("MRPIN.home", "MultireferencePWD", &own, "")
}

fn can(can: &str) -> String {
    let own = [
        ("keyIdentifier", "02"),
        ("accessRules", &rules("??||86||??||??", ALWAYS, ALWAYS)),
        ("can", can),
        ("algorithmIdentifier", "id-PACE-ECDH-GM-AES-CBC-CMAC-128"),
    ];
    object("SK.CAN", "SymmetricConnectionKey", &own, "")
}

fn private_key(key: &SigningKey<BrainpoolP256r1>) -> String {
    let d = Zeroizing::new(hex::encode_upper(key.to_bytes()));
    let point = hex::encode_upper(key.verifying_key().to_sec1_point(false));
    let contactless = format!("AND{{SMMAC(02),SMCMDENC,SMRSPENC,{KEY_USERS}}}");
    let own = [
        ("keyIdentifier", "04"),
        ("accessRules", &rules("00||2a||9e||9a", KEY_USERS, &contactless)),
        ("domainParameterOid", "brainpoolP256r1"),
        ("listAlgorithmIdentifier", "{[1,(signECDSA)]}"),
        ("keyAvailable", "TRUE"),
        ("privateKey", &d),
        ("P", &point),
    ];
    object("PrK.CH.AUT.E256", "PrivateElcKey", &own, "")
}

fn rsa_key(key: &rsa::PrivateKey) -> String {
    let number = |number: &BoxedUint| -> Zeroizing<String> {
        let bytes = Zeroizing::new(number.to_be_bytes().into_vec());
        Zeroizing::new(hex::encode_upper(&*bytes))
    };
    let prime = |index: usize| key.primes().get(index).map(|prime| number(prime)).unwrap_or_default();
    let contactless = format!("AND{{SMMAC(02),SMCMDENC,SMRSPENC,{KEY_USERS}}}");
    let own = [
        ("keyIdentifier", "02"),
        ("accessRules", &rules("00||2a||9e||9a", KEY_USERS, &contactless)),
        ("listAlgorithmIdentifier", "{[1,(signPSS)]}"),
        ("keyAvailable", "TRUE"),
        ("n", &number(key.n())),
        ("e", &number(key.e())),
        ("d", &number(key.d())),
        ("p", &prime(0)),
        ("q", &prime(1)),
    ];
    object("PrK.CH.AUT.R2048", "PrivateRsaKey", &own, "")
}
