//! GET PIN STATUS and VERIFY (gemSpec_COS, 14.6.4 and 14.6.6).

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::super::image::{Image, Password, PasswordId, TransportStatus};
use super::{Answer, Command, ENVIRONMENT, Session, done};
use crate::apdu::{ResponseApdu, StatusWord};

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
        let data = image.reference_data(id).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let status = match (data.tries, data.transport) {
            _ if !is_enabled => StatusWord::PIN_DISABLED,
            // A blocked PIN is shown as such even before its owner has set it (COS 3.13.1).
            (0, _) => StatusWord::wrong_pin(0),
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

/// How many digits a PIN block holds: nibbles `2`, length, digits, then `F` to the end (ISO 9564-1, format 2).
fn pin_length(block: &[u8; 8]) -> Option<u8> {
    let nibbles = Zeroizing::new(block.map(|byte| [byte >> 4, byte & 0x0F]));
    let [format, length, digits @ ..] = nibbles.as_flattened() else { return None };
    let (pin, padding) = digits.split_at_checked(usize::from(*length))?;
    let is_pin = *format == 2 && pin.iter().all(|digit| *digit < 10) && padding.iter().all(|nibble| *nibble == 0x0F);
    (is_pin && LENGTHS.contains(length)).then_some(*length)
}
