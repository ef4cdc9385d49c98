//! The end of a registration: what was proven binds a device.

use super::{DAY, Proofs, Row, bound};
use crate::pki::{Listed, VerifiedCertificate};
use crate::protocol::api::{DeviceAnswer, RegistrationAnswer};
use crate::protocol::attestation::AttestedKey;
use crate::protocol::evidence::{BindingEvidence, Grounds};
use crate::protocol::pairing::DeviceInformation;
use crate::protocol::qr::ShownBy;
use crate::protocol::registration::{Evidence, Expected, Membership};
use crate::protocol::service::{AMR_SOFTWARE_KEY, Receipt, ReceiptSubject};
use crate::protocol::{BindingLevel, DeviceId, KeyIdentifier, NumericDate, Sha256Hash, VERSION};
use crate::server::account::Account;
use crate::server::audit::{self, Entry};
use crate::server::device::{Authority, OwnDevice, Room};
use crate::server::device_code::Shown;
use crate::server::http::{Code, Refusal};
use crate::server::notice::{self, Kind};
use crate::server::session::Session;
use crate::server::states::{DeviceState, Event, RegistrationState, States as _, transition_with};
use crate::server::store::{Tx, from_json, to_json};
use crate::server::{Service, device, pin, random, trust_list};

/// Binds a device for what was proven; uses the proofs up. The level follows from the evidence. Those leave whose place it
/// takes, in the same transaction. The answer is made here, within it.
pub(super) async fn bind(
    service: &Service,
    tx: &mut Tx,
    session: &Session,
    row: &Row,
    proofs: Proofs,
    now: NumericDate,
) -> Result<RegistrationAnswer, Refusal> {
    let account = &session.account;
    if !proofs.belong_together(account) {
        return Err(Refusal::internal());
    }
    let Proofs { evidence, device, attested, expected, code, grounds, ocsp_sha256, pop, .. } = proofs;
    let (level, method) = (evidence.level(), evidence.method());
    let authority = Authority::of(tx, session, now).await?.with(&evidence);
    let key_class = attested.as_ref().map_or(AMR_SOFTWARE_KEY, AttestedKey::amr);
    let (key_identifier, certificate) = match evidence {
        Evidence::Card(certificate, Membership { .. }, card) => (card.key_identifier(), Some(certificate)),
        // No card has named this key: its thumbprint does.
        Evidence::Qr(_) | Evidence::Device(_) | Evidence::Chip(..) => {
            (KeyIdentifier::from(*device.device_key().thumbprint().as_bytes()), None)
        }
    };
    let expires_at = end(service, certificate.as_ref(), key_class, now);
    // The key and its identifier were never used before; revoked devices count.
    let with_key = "SELECT COUNT(*) FROM device WHERE jkt = $1 OR (account_id = $2 AND key_identifier = $3)";
    let with_key = sqlx::query_scalar::<_, i64>(with_key).bind(&row.jkt).bind(account.id);
    if with_key.bind(key_identifier.to_string()).fetch_one(&mut **tx).await? > 0 {
        return Err(Code::KeyInUse.into());
    }
    let leaving = leaving(tx, account, row).await?;
    let room = Room::for_new(tx, account, leaving).await?;
    // Nothing refuses after it: a refusal is kept, and would keep that the code was used.
    let shown = match code {
        Some(code) => code.use_up(tx).await?,
        None => None,
    };
    let device_id = DeviceId::random(&mut random());
    let code_shown_by = shown.as_ref().map(Shown::by);
    let certificate = certificate.as_ref();
    let sealed = Sealed { device_id, level, key_class, certificate, ocsp_sha256, code_shown_by };
    let evidence = sealed.seal(service, tx, (expected, grounds, pop), now).await?;
    let information: DeviceInformation = from_json(&row.device_information)?;
    let insert = sqlx::query(
        "INSERT INTO device (device_id, account_id, state, name, method, binding_level, jkt, jwk, transport_jwk, \
         key_identifier, active_from, evidence, expires_at, key_class, revocation_due, code_shown_by, waits) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    );
    // Whoever was not sure to be the person with card and card PIN waits until the person had time to notice. A code on the
    // screen of whoever was sure is as good as that for the wait, and for nothing else.
    let (state, active_from, kind) = match (level, shown) {
        (BindingLevel::B3, _) => (DeviceState::Active, now, Kind::DeviceAdded),
        (_, Some(shown)) if !shown.waits() => (DeviceState::Active, now, Kind::DeviceAddedByScreen),
        (BindingLevel::B1 | BindingLevel::B2, _) => {
            (DeviceState::PendingWait, now.saturating_add(device::WAIT), Kind::DeviceAddedWithoutPin)
        }
    };
    let insert = insert.bind(device_id.to_string()).bind(account.id).bind(state.as_str());
    let insert = insert.bind(&information.name).bind(method.as_str()).bind(level.to_string()).bind(&row.jkt);
    let insert = insert.bind(to_json(device.device_key())?).bind(to_json(device.transport_key())?);
    let insert = insert.bind(key_identifier.to_string()).bind(active_from).bind(to_json(&evidence)?).bind(expires_at);
    let insert = insert.bind(key_class).bind(ocsp_sha256.map(|_| now.saturating_add(DAY)));
    let insert = insert.bind(code_shown_by.map(ShownBy::as_str)).bind(i64::from(state == DeviceState::PendingWait));
    insert.execute(&mut **tx).await?;

    pin::share::hand_over(tx, &evidence.registration_id.to_string(), &device_id.to_string()).await?;
    conclude(service, tx, account, &evidence, (Event::DeviceBound, kind), now).await?;
    // Behind the entry of the binding, which the receipt says is the next one.
    room.make(service, tx, account, &authority).await?;
    let device = DeviceAnswer {
        device_id,
        name: information.name,
        state: state.as_str().to_owned(),
        method,
        binding_level: level,
        jkt: device.device_key().thumbprint(),
        active_from,
        expires_at,
        remind_from: service.settings.devices.remind_from(expires_at),
        last_used: None,
        key_class: key_class.to_owned(),
    };
    Ok(bound(device, evidence.receipt))
}

/// The devices whose place the new one takes, but for those that were removed meanwhile.
async fn leaving(tx: &mut Tx, account: &Account, row: &Row) -> Result<Vec<OwnDevice>, Refusal> {
    let replaces: Vec<DeviceId> = row.replaces.as_deref().map_or(Ok(Vec::new()), from_json)?;
    OwnDevice::named(tx, account, &replaces).await
}

/// When the time of a device ends that is bound now, by the card of this certificate where there is one. What cannot be copied
/// need not be bound anew for as long as the card holds.
pub(in crate::server) fn end(
    service: &Service,
    certificate: Option<&VerifiedCertificate>,
    key_class: &str,
    now: NumericDate,
) -> NumericDate {
    let longest = now.saturating_add(i64::from(service.settings.devices.days).saturating_mul(DAY));
    match certificate.map(|certificate| certificate.certificate().not_after.unix_timestamp()) {
        None => longest,
        Some(end_of_card) if key_class == AMR_SOFTWARE_KEY => longest.min(end_of_card),
        Some(end_of_card) => end_of_card,
    }
}

/// What the service itself says of a binding.
pub(in crate::server) struct Sealed<'a> {
    pub(in crate::server) device_id: DeviceId,
    pub(in crate::server) level: BindingLevel,
    pub(in crate::server) key_class: &'a str,
    /// Of the card that binds, where one does.
    pub(in crate::server) certificate: Option<&'a VerifiedCertificate>,
    pub(in crate::server) ocsp_sha256: Option<Sha256Hash>,
    /// Of the code on a screen that binds, where one does.
    pub(in crate::server) code_shown_by: Option<ShownBy>,
}

impl Sealed<'_> {
    /// Signs the receipt, and keeps the trust list that the card rests on. Gives what is kept of the binding.
    pub(in crate::server) async fn seal(
        self,
        service: &Service,
        tx: &mut Tx,
        (expected, grounds, pop): (Expected, Grounds, String),
        now: NumericDate,
    ) -> Result<BindingEvidence, Refusal> {
        let list = self.certificate.and_then(VerifiedCertificate::listed).map(Listed::list);
        if let Some(list) = list {
            trust_list::freeze(tx, list, now).await?;
        }
        let before = audit::end(tx).await?;
        let receipt = service.keys.sign(&Receipt {
            v: VERSION,
            aud: expected.aud,
            subject: ReceiptSubject::Binding,
            id: self.device_id.to_string(),
            sha256: Sha256Hash::of(pop.as_bytes()),
            at: now,
            amr: vec![self.key_class.to_owned()],
            ocsp_sha256: self.ocsp_sha256,
            code_shown_by: self.code_shown_by,
            trust_list_sha256: list.map(|list| Sha256Hash::from(list.sha256())),
            audit_seq: Some(before.seq),
            audit_head: before.sha256,
        })?;
        Ok(BindingEvidence {
            device_id: self.device_id,
            binding_level: self.level,
            registration_id: expected.registration_id,
            challenge: expected.challenge,
            grounds,
            pop,
            receipt,
            audit: None,
        })
    }
}

/// The registration has bound its device: its state, the entry of the audit and the notice.
pub(in crate::server) async fn conclude(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    evidence: &BindingEvidence,
    (event, kind): (Event, Kind),
    now: NumericDate,
) -> Result<(), Refusal> {
    let (id, device_id) = (evidence.registration_id.to_string(), evidence.device_id.to_string());
    let update = "UPDATE registration SET state = $3, device_id = $4 WHERE registration_id = $1 AND state = $2";
    let open = RegistrationState::Open;
    let moved = transition_with(tx, &id, open, event, update, |update| update.bind(device_id)).await?;
    moved.ok_or_else(Refusal::internal)?;
    let entry = Entry {
        actor: &service.keys.pseudonym(&account.kvnr),
        device: Some(evidence.device_id),
        event,
        object: &id,
        result: "ok",
        detail: Some(Sha256Hash::of(evidence.pop.as_bytes()).to_string()),
    };
    audit::append(tx, entry, now).await?;
    Ok(notice::queue(service, tx, account.id, kind, now).await?)
}
