//! GET PIN STATUS, VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER (gemSpec_COS, 14.6.4, 14.6.6, 14.6.1 and 14.6.5).

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::super::image::{Image, Password, PasswordId, ReferenceData, TransportStatus};
use super::{Answer, Command, ENVIRONMENT, Session, done};
use crate::apdu::{ResponseApdu, StatusWord};
use crate::secret::SecretBytes;

/// PINs of the card have 4 to 12 digits (gemSpec_COS, 8.4); an object may ask for more and allow fewer.
const LENGTHS: std::ops::RangeInclusive<u8> = 4..=12;

impl Session {
    pub(super) fn get_pin_status(&mut self, image: &mut Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, reference] = header;
        if p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        if !command.apdu.data().is_empty() || command.apdu.ne().is_some() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let (id, password) = self.guarded_password(image, header, reference)?;
        if self.is_verified(id) {
            return done();
        }
        let is_enabled = password.enabled;
        let blocked = image.ways.blocked;
        let data = image.reference_data(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let status = match (data.tries, data.transport) {
            _ if !is_enabled => StatusWord::PIN_DISABLED,
            // A blocked PIN is shown as such even before its owner has set it (COS 3.13.1).
            (0, _) => blocked,
            (_, TransportStatus::TransportPin) => StatusWord::TRANSPORT_PIN,
            (_, TransportStatus::EmptyPin) => StatusWord::EMPTY_PIN,
            (tries, TransportStatus::Regular) => StatusWord::wrong_pin(tries.min(15)),
        };
        Ok(ResponseApdu::new([], status))
    }

    pub(super) fn verify(&mut self, image: &mut Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, reference] = header;
        if p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        let block: &[u8; 8] = command.data_only()?.try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        let (id, password) = self.guarded_password(image, header, reference)?;
        let uses = password.start_uses(ENVIRONMENT);
        let data = image.reference_data(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        if data.tries == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if data.transport != TransportStatus::Regular {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // What cannot be a PIN of this card is no try at one (the status word is from memory of the specification).
        let length = pin_length(block).filter(|length| (data.min_length..=data.max_length).contains(length));
        length.ok_or(StatusWord::WRONG_DATA)?;

        // The try is spent before anything is compared: there is no moment at which pulling the card saves it.
        data.tries -= 1;
        self.verified.retain(|(verified, _)| *verified != id);
        let is_right = data.block.as_ref().is_some_and(|own| own.expose().ct_eq(block).into());
        if !is_right {
            return Ok(ResponseApdu::new([], StatusWord::wrong_pin(data.tries.min(15))));
        }
        data.tries = data.start_tries;
        self.verified.push((id, uses));
        done()
    }

    /// P1 says whether the old PIN comes before the new one, or there is none yet. What the status words of the second
    /// kind are, and that an old PIN which cannot be one costs a try here, is from memory of the specification.
    pub(super) fn change_reference_data(&mut self, image: &mut Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, reference] = header;
        let command = Command::parse(command)?;
        let (old, new) = two_blocks(command.data_only()?, p1)?;
        let (id, _) = self.guarded_password(image, header, reference)?;
        let data = image.reference_data(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let new = new.ok_or(StatusWord::WRONG_LENGTH)?;
        let is_empty = data.transport == TransportStatus::EmptyPin;
        if data.tries == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if old.is_none() != is_empty || !data.fits(new) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.verified.retain(|(verified, _)| *verified != id);
        if let Some(old) = old {
            data.tries -= 1;
            if !data.block.as_ref().is_some_and(|own| own.expose().ct_eq(old).into()) {
                return Ok(ResponseApdu::new([], StatusWord::wrong_pin(data.tries.min(15))));
            }
        }
        data.set(new);
        done()
    }

    /// P1 says whether a new PIN follows the PUK. Every use of the PUK counts, also a right one (from memory of the
    /// specification).
    pub(super) fn reset_retry_counter(&mut self, image: &mut Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, reference] = header;
        let command = Command::parse(command)?;
        // With one block less, it is the PUK alone that is there.
        let (puk, new) = match two_blocks(command.data_only()?, p1)? {
            (Some(puk), Some(new)) => (puk, Some(new)),
            (_, puk) => (puk.ok_or(StatusWord::WRONG_LENGTH)?, None),
        };
        let (id, _) = self.guarded_password(image, header, reference)?;
        let data = image.reference_data(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        if data.puk_uses == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if new.is_some_and(|new| !data.fits(new)) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        data.puk_uses -= 1;
        self.verified.retain(|(verified, _)| *verified != id);
        if !data.puk.as_ref().is_some_and(|own| own.expose().ct_eq(puk).into()) {
            return Ok(ResponseApdu::new([], StatusWord::wrong_pin(data.puk_uses.min(15))));
        }
        data.tries = data.start_tries;
        if let Some(new) = new {
            data.set(new);
        }
        done()
    }

    /// The password that is meant, if its rules allow the command.
    fn guarded_password<'image>(
        &mut self,
        image: &'image Image,
        header: [u8; 4],
        reference: u8,
    ) -> Result<(PasswordId, &'image Password), StatusWord> {
        let id = image.find_password(self.folder, reference).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let password = image.password(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.authorise(image, id.folder, &password.guard, header)?;
        Ok((id, password))
    }
}

impl ReferenceData {
    /// Whether a block holds as many digits as this password may have.
    fn fits(&self, block: &[u8; 8]) -> bool {
        pin_length(block).is_some_and(|length| (self.min_length..=self.max_length).contains(&length))
    }

    /// The owner has set the password: it has all its tries.
    fn set(&mut self, block: &[u8; 8]) {
        self.block = Some(SecretBytes::written(|own| *own = *block));
        self.transport = TransportStatus::Regular;
        self.tries = self.start_tries;
    }
}

/// A PIN block of a command, where it has one.
type Block<'a> = Option<&'a [u8; 8]>;

/// With P1 = 0 two blocks, with P1 = 1 only the second.
fn two_blocks(data: &[u8], p1: u8) -> Result<(Block<'_>, Block<'_>), StatusWord> {
    match (p1, data.split_first_chunk()) {
        (0, Some((first, second))) => Ok((Some(first), Some(second.try_into().map_err(|_| StatusWord::WRONG_LENGTH)?))),
        (1, Some((only, []))) => Ok((None, Some(only))),
        (0 | 1, _) => Err(StatusWord::WRONG_LENGTH),
        _ => Err(StatusWord::WRONG_P1_P2),
    }
}

/// How many digits a PIN block holds: nibbles `2`, length, digits, then `F` to the end (ISO 9564-1, format 2).
fn pin_length(block: &[u8; 8]) -> Option<u8> {
    let nibbles = Zeroizing::new(block.map(|byte| [byte >> 4, byte & 0x0F]));
    let [format, length, digits @ ..] = nibbles.as_flattened() else { return None };
    let (pin, padding) = digits.split_at_checked(usize::from(*length))?;
    let is_pin = *format == 2 && pin.iter().all(|digit| *digit < 10) && padding.iter().all(|nibble| *nibble == 0x0F);
    (is_pin && LENGTHS.contains(length)).then_some(*length)
}
