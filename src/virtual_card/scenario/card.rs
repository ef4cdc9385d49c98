//! What a scenario changes in a card image that was loaded.

use ecdsa::SigningKey;
use rand_core::CryptoRng;

use super::super::access::LifeCycle;
use super::super::image::{FileKind, Folder, FolderId, Image, KeySecret, Password, ReferenceData, TransportStatus};
use super::super::personalise::{Blueprint, certify_anew};
use super::{BlockedStatus, CardState, Certificate, E256, EndOfFile, Pd, PinState, ScenarioError, Schema, content};
use crate::apdu::StatusWord;
use crate::identity::certificate::Certificate as X509;
use crate::identity::kvnr::Kvnr;
use crate::secret::{Can, SecretBytes};

const DF_HCA: &[u8] = &[0xD2, 0x76, 0x00, 0x00, 0x01, 0x02];
const DF_ESIGN: &[u8] = &[0xA0, 0x00, 0x00, 0x01, 0x67, 0x45, 0x53, 0x49, 0x47, 0x4E];
/// Short file identifiers (gemSpec_eGK_ObjSys_G2_1).
const PD: u8 = 0x01;
const VD: u8 = 0x02;
const GVD: u8 = 0x03;
const STATUS_VD: u8 = 0x0C;
const C_CH_AUT_E256: u8 = 0x04;
const C_EGK_AUT_CVC_E256: u8 = 0x06;
/// PrK.CH.AUT.E256.
const KEY_E256: u8 = 0x04;
/// MRPIN.home, and through it PIN.CH.
const MRPIN_HOME: u8 = 0x02;
const PIN_CH: u8 = 0x01;
/// SK.CAN.
const SK_CAN: u8 = 0x02;
/// The transport PIN where the scenario names none.
const TRANSPORT_PIN: &str = "54321";
/// Two persons, one of whom a card does not belong to.
const PERSONS: [&str; 2] = ["M100200305", "A123456780"];

impl CardState {
    /// Puts the card into the state.
    ///
    /// # Errors
    /// [`ScenarioError::NotOnCard`] where there is nothing that could be put into it.
    pub(super) fn apply(&self, image: &mut Image, rng: &mut dyn CryptoRng) -> Result<(), ScenarioError> {
        self.set_pin(image)?;
        if let Some(can) = &self.can {
            let keys = &mut image.folder_mut(FolderId::ROOT).connection_keys;
            let key = keys.iter_mut().find(|key| key.identifier == SK_CAN).ok_or(ScenarioError::NotOnCard("can"))?;
            key.can = Can::parse(&can.0).ok();
        }
        if let Some(certificate) = self.certificate {
            certify(image, certificate, rng).ok_or(ScenarioError::NotOnCard("certificate"))?;
        }
        if let Some(schema) = self.schema {
            set_schema(image, schema).ok_or(ScenarioError::NotOnCard("schema"))?;
        }
        if self.prefixed {
            rewrite_pd(image, content::with_prefix).ok_or(ScenarioError::NotOnCard("prefixed"))?;
            rewrite_vd(image, content::with_prefix).ok_or(ScenarioError::NotOnCard("prefixed"))?;
        }
        if self.gvd.is_some() {
            remove_gvd(image).ok_or(ScenarioError::NotOnCard("gvd"))?;
        }
        if let Some(damage) = self.pd {
            damage_pd(image, damage).ok_or(ScenarioError::NotOnCard("pd"))?;
        }
        if self.update_in_progress {
            let status = file(image, DF_HCA, STATUS_VD).and_then(|content| content.first_mut());
            *status.ok_or(ScenarioError::NotOnCard("update_in_progress"))? = b'1';
        }
        if self.cvc.is_some() {
            let x509 = file(image, DF_ESIGN, C_CH_AUT_E256).cloned().ok_or(ScenarioError::NotOnCard("cvc"))?;
            let root = image.folder_mut(FolderId::ROOT);
            *transparent(root, C_EGK_AUT_CVC_E256).ok_or(ScenarioError::NotOnCard("cvc"))? = x509;
        }
        match self.e256 {
            Some(E256::Absent) => remove_e256(image).ok_or(ScenarioError::NotOnCard("e256"))?,
            Some(E256::Empty) => {
                file(image, DF_ESIGN, C_CH_AUT_E256).ok_or(ScenarioError::NotOnCard("e256"))?.clear();
            }
            None => {}
        }
        if self.hca.is_some() {
            let (id, _) = find(image, DF_HCA).ok_or(ScenarioError::NotOnCard("hca"))?;
            image.worsen(id, LifeCycle::Deactivated);
        }
        image.ways.end_of_file = self.end_of_file.map(|end| match end {
            EndOfFile::Refused => StatusWord::OFFSET_TOO_BIG,
            EndOfFile::Warned => StatusWord::END_OF_FILE,
        });
        Ok(())
    }

    fn set_pin(&self, image: &mut Image) -> Result<(), ScenarioError> {
        if let Some(uses) = self.puk_uses_left {
            home(image).filter(|data| data.puk.is_some()).ok_or(ScenarioError::NotOnCard("puk_uses_left"))?.puk_uses =
                uses;
        }
        if let Some(tries) = self.tries_left {
            home(image).ok_or(ScenarioError::NotOnCard("tries_left"))?.tries = tries.0;
        }
        let Some(state) = self.pin else { return Ok(()) };
        home(image).ok_or(ScenarioError::NotOnCard("pin"))?;
        if state == PinState::Disabled {
            let passwords = &mut image.folder_mut(FolderId::ROOT).passwords;
            let is_home = |password: &&mut Password| [MRPIN_HOME, PIN_CH].contains(&password.identifier);
            passwords.iter_mut().filter(is_home).for_each(|password| password.enabled = false);
            return Ok(());
        }
        image.ways.blocked = match self.blocked_status {
            Some(BlockedStatus::Blocked) => StatusWord::BLOCKED,
            Some(BlockedStatus::NoTries) | None => StatusWord::wrong_pin(0),
        };
        let data = home(image).ok_or(ScenarioError::NotOnCard("pin"))?;
        match state {
            PinState::Transport => {
                let digits = self.transport_pin.as_ref().map_or(TRANSPORT_PIN, |digits| digits.0.expose());
                data.block =
                    SecretBytes::filled(|block| hex::decode_to_slice(format!("25{digits}FFFFFFFFF"), block)).ok();
                data.transport = TransportStatus::TransportPin;
            }
            PinState::Empty => {
                data.block = None;
                data.transport = TransportStatus::EmptyPin;
            }
            PinState::Blocked => data.tries = 0,
            PinState::Disabled => {}
        }
        Ok(())
    }
}

/// Digits and counters behind MRPIN.home.
fn home(image: &mut Image) -> Option<&mut ReferenceData> {
    let id = image.find_password(FolderId::ROOT, MRPIN_HOME)?;
    image.reference_data(id)
}

fn find<'a>(image: &'a Image, aid: &[u8]) -> Option<(FolderId, &'a Folder)> {
    image.folders().find(|(_, folder)| folder.aids.iter().any(|own| own == aid))
}

fn transparent(folder: &mut Folder, sfi: u8) -> Option<&mut Vec<u8>> {
    let file = folder.files.iter_mut().find(|file| file.sfi == Some(sfi))?;
    match &mut file.kind {
        FileKind::Transparent(content) => Some(content),
        _ => None,
    }
}

/// The content of a transparent file.
fn file<'a>(image: &'a mut Image, aid: &[u8], sfi: u8) -> Option<&'a mut Vec<u8>> {
    let (id, _) = find(image, aid)?;
    transparent(image.folder_mut(id), sfi)
}

fn rewrite_pd(image: &mut Image, change: impl FnOnce(&str) -> Option<String>) -> Option<()> {
    let pd = file(image, DF_HCA, PD)?;
    *pd = content::join_pd(&content::rewrite(&content::split_pd(pd)?, change)?)?;
    Some(())
}

fn rewrite_vd(image: &mut Image, change: impl FnOnce(&str) -> Option<String>) -> Option<()> {
    let file = file(image, DF_HCA, VD)?;
    let (vd, gvd) = content::split_vd(file)?;
    *file = content::join_vd(&content::rewrite(&vd, change)?, gvd.as_deref())?;
    Some(())
}

/// Another schema in EF.PD, EF.VD and the version in EF.StatusVD (BCD, 3+3+4 digits).
fn set_schema(image: &mut Image, schema: Schema) -> Option<()> {
    rewrite_pd(image, |xml| content::with_schema(xml, "UC_PersoenlicheVersichertendatenXML", schema))?;
    rewrite_vd(image, |xml| content::with_schema(xml, "UC_AllgemeineVersicherungsdatenXML", schema))?;
    let version = match schema {
        Schema::V5_1 => [0x00, 0x50, 0x01, 0x00, 0x00],
        Schema::Pkv => [0x00, 0x10, 0x00, 0x00, 0x00],
    };
    file(image, DF_HCA, STATUS_VD)?.get_mut(15..20)?.copy_from_slice(&version);
    Some(())
}

/// No protected data: not in EF.VD, and EF.GVD is empty.
fn remove_gvd(image: &mut Image) -> Option<()> {
    let vd = file(image, DF_HCA, VD)?;
    let (general, gvd) = content::split_vd(vd)?;
    gvd?;
    *vd = content::join_vd(&general, None)?;
    file(image, DF_HCA, GVD)?.clear();
    Some(())
}

fn damage_pd(image: &mut Image, damage: Pd) -> Option<()> {
    match damage {
        Pd::AnotherPerson => {
            return rewrite_pd(image, |xml| {
                let other = PERSONS.into_iter().find(|person| !xml.contains(person))?;
                content::with_kvnr(xml, other)
            });
        }
        // One bit in the middle of the document, far from its header.
        Pd::Corrupt => {
            let pd = file(image, DF_HCA, PD)?;
            let middle = content::split_pd(pd)?.len() / 2;
            *pd.get_mut(middle)? ^= 0x01;
        }
        // The file ends before what its length says.
        Pd::Truncated => {
            let pd = file(image, DF_HCA, PD)?;
            pd.truncate(content::split_pd(pd)?.len() / 2);
        }
        Pd::Exploding => *file(image, DF_HCA, PD)? = content::join_pd(&content::explosion()?)?,
    }
    Some(())
}

fn remove_e256(image: &mut Image) -> Option<()> {
    file(image, DF_ESIGN, C_CH_AUT_E256)?;
    let (id, _) = find(image, DF_ESIGN)?;
    let folder = image.folder_mut(id);
    folder.files.retain(|file| file.sfi != Some(C_CH_AUT_E256));
    folder.keys.retain(|key| key.identifier != KEY_E256);
    Some(())
}

/// Puts another C.CH.AUT for the same key and person in its place, signed by the project's test CA.
fn certify(image: &mut Image, what: Certificate, rng: &mut dyn CryptoRng) -> Option<()> {
    let old = X509::parse(file(image, DF_ESIGN, C_CH_AUT_E256)?).ok()?;
    let holder = old.holder().ok()?;
    let (_, folder) = find(image, DF_ESIGN)?;
    let secret = folder.keys.iter().find(|key| key.identifier == KEY_E256)?.secret.as_ref()?;
    let KeySecret::E256(d) = secret else { return None };
    let key = SigningKey::from_slice(d.expose()).ok()?;
    let kvnr = match what {
        Certificate::WrongCheckDigit => with_wrong_check_digit(&holder.kvnr)?,
        Certificate::SwappedUnits => holder.kvnr,
    };
    rewrite_pd(image, |xml| content::with_kvnr(xml, kvnr.as_str()))?;
    let mut blueprint = Blueprint::new(kvnr, &holder.given_name, &holder.surname);
    blueprint.payer_ik = Some(holder.payer_ik);
    blueprint.payer_name = holder.organization.unwrap_or(blueprint.payer_name);
    blueprint.units_swapped = what == Certificate::SwappedUnits;
    blueprint.validity = Some((old.not_before, old.not_after));
    *file(image, DF_ESIGN, C_CH_AUT_E256)? = certify_anew(&blueprint, key.verifying_key(), rng).ok()?;
    Some(())
}

/// The number with its last digit one higher: whatever it was, it is wrong then.
fn with_wrong_check_digit(kvnr: &Kvnr) -> Option<Kvnr> {
    let (front, digit) = kvnr.as_str().split_at_checked(9)?;
    let digit: u8 = digit.parse().ok()?;
    format!("{front}{}", (digit + 1) % 10).parse().ok()
}
