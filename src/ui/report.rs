//! What the card commands print: the stable JSON of `docs/json.md`, and the same for people.

use serde::Serialize;
use time::OffsetDateTime;

use super::text::Texts;
use crate::egk::{Generation, Iccsn, Interface, ObjectSystem};
use crate::identity::vsd::{Address, InsuranceData, PersonalData};
use crate::identity::{Identity, Warning};

/// Everything `read` tells.
#[derive(Debug, Serialize)]
pub struct CardReport<'a> {
    card: Card,
    person: &'a PersonalData,
    insurance: &'a InsuranceData,
    certificate: Certificate<'a>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Card {
    iccsn: String,
    generation: String,
    object_system: String,
    interface: String,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Card({})", self.generation)
    }
}

#[derive(Serialize)]
struct Certificate<'a> {
    algorithm: Option<&'a str>,
    kvnr: &'a str,
    payer_ik: &'a str,
    subject: &'a str,
    issuer: &'a str,
    serial: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    profession_oid: Option<&'a str>,
    sha256: String,
}

impl std::fmt::Debug for Certificate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(***)")
    }
}

impl<'a> CardReport<'a> {
    /// The report on a card that was read at `now`.
    pub fn new(
        iccsn: &Iccsn,
        generation: Generation,
        object_system: ObjectSystem,
        interface: Interface,
        identity: &'a Identity,
        now: OffsetDateTime,
    ) -> Self {
        let certificate = &identity.certificate;
        Self {
            card: Card {
                iccsn: iccsn.to_string(),
                generation: generation.to_string(),
                object_system: object_system.to_string(),
                interface: interface.to_string(),
            },
            person: &identity.person,
            insurance: &identity.insurance,
            certificate: Certificate {
                algorithm: certificate.jws_algorithm(),
                kvnr: identity.holder.kvnr.as_str(),
                payer_ik: identity.holder.payer_ik.as_str(),
                subject: &certificate.subject.text,
                issuer: &certificate.issuer.text,
                serial: &certificate.serial,
                not_before: certificate.not_before,
                not_after: certificate.not_after,
                profession_oid: certificate.extensions.professions.first().map(String::as_str),
                sha256: hex::encode(certificate.sha256()),
            },
            warnings: identity.warnings(now),
        }
    }

    /// The report for people.
    pub fn lines(&self, texts: &Texts) -> Vec<String> {
        let mut lines = Vec::new();
        let mut section = |title: &str, rows: Vec<(&str, Option<String>)>| {
            lines.push(texts.get(title));
            for (label, value) in rows {
                if let Some(value) = value {
                    lines.push(format!("  {}: {value}", texts.get(label)));
                }
            }
        };
        let person = self.person;
        section(
            "label-person",
            vec![
                ("label-name", Some(full_name(person))),
                ("label-kvnr", Some(person.kvnr.as_str().to_owned())),
                ("label-date-of-birth", Some(texts.day(&person.date_of_birth))),
                ("label-sex", Some(texts.get(&format!("sex-{}", person.sex.to_lowercase())))),
                ("label-address", person.address.as_ref().map(one_line)),
            ],
        );
        let insurance = self.insurance;
        let insured_type = insurance.insured_type.as_ref().map(|kind| match kind.as_str() {
            "1" | "3" | "5" => texts.get(&format!("insured-type-{kind}")),
            other => other.to_owned(),
        });
        section(
            "label-insurance",
            vec![
                ("label-payer", Some(format!("{} ({})", insurance.payer_name, insurance.payer_ik.as_str()))),
                ("label-since", Some(texts.day(&insurance.start))),
                ("label-until", insurance.end.as_ref().map(|end| texts.day(end))),
                ("label-insured-type", insured_type),
            ],
        );
        let card = &self.card;
        section(
            "label-card",
            vec![
                ("label-iccsn", Some(card.iccsn.clone())),
                ("label-generation", Some(format!("{} ({})", card.generation, card.object_system))),
            ],
        );
        let certificate = &self.certificate;
        let [first, last] = [certificate.not_before, certificate.not_after].map(|at| texts.day(&at.date().to_string()));
        section(
            "label-certificate",
            vec![
                ("label-kvnr", Some(certificate.kvnr.to_owned())),
                ("label-issuer", Some(certificate.issuer.to_owned())),
                ("label-serial", Some(certificate.serial.to_owned())),
                ("label-valid", Some(format!("{first} – {last}"))),
            ],
        );
        for warning in &self.warnings {
            let id = match warning {
                Warning::CertificateExpired => "warning-certificate-expired",
                Warning::CertificateNotYetValid => "warning-certificate-not-yet-valid",
                Warning::KvnrCheckDigit => "warning-kvnr-check-digit",
            };
            lines.push(format!("{}: {}", texts.get("label-warning"), texts.get(id)));
        }
        lines
    }
}

/// Title, given name, name suffix, name prefix, family name: the order of gemSpec_eGK_Fach_VSDM.
fn full_name(person: &PersonalData) -> String {
    let parts = [
        person.title.as_deref(),
        Some(person.given_name.as_str()),
        person.name_suffix.as_deref(),
        person.name_prefix.as_deref(),
        Some(person.family_name.as_str()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn one_line(address: &Address) -> String {
    let join = |parts: [Option<&str>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let street = join([address.street.as_deref(), address.house_number.as_deref(), None]);
    let city = join([Some(&address.country), address.postal_code.as_deref(), Some(&address.city)]);
    let parts = [Some(street), address.supplement.clone(), Some(city)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
