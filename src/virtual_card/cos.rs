//! The commands of the card (gemSpec_COS V3.13.1, chapter 14): which one is meant, and whether it is allowed.
//!
//! Status words come in the specification's order: class, instruction, parameters, lengths, object, access rule, state
//! of the object, data.

mod authenticate;
mod files;
mod pace;
mod pin;
mod select;
mod sign;

use super::access::{Interface, SecurityState};
use super::image::{FolderId, Guard, Image, MAX_FILE, PasswordId, Uses};
use crate::apdu::{CommandApdu, NE_EXTENDED, NE_SHORT, ResponseApdu, StatusWord};
use crate::secret::SecretBytes;

/// What a command comes to. A warning brings data and is no refusal.
type Answer = Result<ResponseApdu, StatusWord>;

/// The only security environment until MANAGE SECURITY ENVIRONMENT, RESTORE is known.
const ENVIRONMENT: u8 = 1;

/// What the card forgets at a reset.
pub(super) struct Session {
    interface: Interface,
    pace: pace::Pace,
    folder: FolderId,
    /// Which file of `folder` is the current one.
    file: Option<usize>,
    /// Which key signs, the folder it lies in, and its algorithm.
    key: Option<(FolderId, usize, u8)>,
    /// Which key the card shows itself with, and the folder it lies in.
    authentication_key: Option<(FolderId, usize)>,
    /// Verified passwords, and how often each still counts.
    verified: Vec<(PasswordId, Uses)>,
}

impl Session {
    /// A session that begins with the power.
    pub(super) fn new(interface: Interface) -> Self {
        Self {
            interface,
            pace: pace::Pace::default(),
            folder: FolderId::ROOT,
            file: None,
            key: None,
            authentication_key: None,
            verified: Vec::new(),
        }
    }
}

/// A command, and what its bytes say beyond [`CommandApdu`].
struct Command {
    apdu: CommandApdu,
    /// Le is written as zeros: as much as there is.
    wildcard: bool,
}

impl Command {
    fn parse(bytes: &[u8]) -> Result<Self, StatusWord> {
        let apdu = CommandApdu::parse(bytes).map_err(|_| StatusWord::WRONG_LENGTH)?;
        // Only the short form writes 256 as zero. A zero behind the header begins the extended form, or is Le itself.
        let is_short = bytes.len() == 5 || bytes.get(4).is_some_and(|byte| *byte != 0);
        let wildcard = apdu.ne() == Some(NE_EXTENDED) || is_short && apdu.ne() == Some(NE_SHORT);
        Ok(Self { apdu, wildcard })
    }

    /// The data field of a command that has one and expects no answer.
    fn data_only(&self) -> Result<&[u8], StatusWord> {
        match (self.apdu.data(), self.apdu.ne()) {
            ([], _) | (_, Some(_)) => Err(StatusWord::WRONG_LENGTH),
            (data, None) => Ok(data),
        }
    }

    /// How many bytes are asked for, by a command that has no data field.
    fn ne_only(&self) -> Result<usize, StatusWord> {
        if !self.apdu.data().is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.ne()
    }

    /// How many bytes are asked for, up to what fits the line.
    fn ne(&self) -> Result<usize, StatusWord> {
        self.apdu.ne().map(|ne| (ne as usize).min(MAX_FILE)).ok_or(StatusWord::WRONG_LENGTH)
    }
}

impl Session {
    /// Carries out one command, secured or plain. `random` gives 32 fresh bytes.
    pub(super) fn execute(&mut self, image: &mut Image, command: &[u8], random: &mut Random<'_>) -> ResponseApdu {
        let refusal = |status| ResponseApdu::new([], status);
        match self.pace.open(command) {
            Ok(Some(plain)) => {
                let answer = self.dispatch(image, &plain, random).unwrap_or_else(refusal);
                self.pace.protect(&answer)
            }
            Ok(None) => self.dispatch(image, command, random).unwrap_or_else(refusal),
            Err(status) => refusal(status),
        }
    }

    fn dispatch(&mut self, image: &mut Image, bytes: &[u8], random: &mut Random<'_>) -> Answer {
        let header = *bytes.first_chunk::<4>().ok_or(StatusWord::WRONG_LENGTH)?;
        match header {
            [0x00, 0x22, 0xC1, 0xA4] => return self.mse_set_pace(image, bytes),
            [0x00 | 0x10, 0x86, ..] => return self.general_authenticate(image, header, bytes, random),
            _ => self.pace.forget_step(), // the steps of PACE follow one another
        }
        match header {
            [0x00, 0xA4, ..] => self.select(image, header, bytes),
            [0x00, 0xB0, ..] => self.read_binary(image, header, bytes),
            [0x80, 0x20, ..] => self.get_pin_status(image, header, bytes),
            [0x00, 0x20, ..] => self.verify(image, header, bytes),
            [0x00, 0x24, ..] => self.change_reference_data(image, header, bytes),
            [0x00, 0x2C, ..] => self.reset_retry_counter(image, header, bytes),
            [0x00, 0x22, 0x41, 0xA4] => self.mse_set_authentication_key(image, bytes),
            [0x00, 0x88, ..] => self.internal_authenticate(image, header, bytes),
            [0x00, 0x22, ..] => self.mse_set(image, header, bytes),
            [0x00, 0x2A, ..] => self.pso_compute_digital_signature(image, header, bytes, random),
            [0x00 | 0x80, ..] => Err(StatusWord::INS_NOT_SUPPORTED),
            // Logical channels, command chaining and secure messaging change the class; none of them is open for these.
            _ => Err(StatusWord::CLA_NOT_SUPPORTED),
        }
    }

    /// Lets the command pass if the rules of an object in `folder` allow it. Every password that this rests on is used
    /// once.
    fn authorise(&mut self, image: &Image, folder: FolderId, guard: &Guard, header: [u8; 4]) -> Result<(), StatusWord> {
        let state = Shown { session: self, image, folder };
        let passwords = guard.rules.permit(self.interface, guard.life_cycle, ENVIRONMENT, header, &state);
        let passwords = passwords.ok_or(StatusWord::SECURITY_STATUS_NOT_SATISFIED)?;
        for id in passwords.into_iter().filter_map(|reference| image.find_password(folder, reference)) {
            let shown = self.verified.iter_mut().find(|(verified, _)| *verified == id);
            if let Some((_, Uses::Left(uses))) = shown {
                *uses = uses.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Whether the password was shown and still counts.
    fn is_verified(&self, id: PasswordId) -> bool {
        self.verified.iter().any(|(verified, uses)| *verified == id && *uses != Uses::Left(0))
    }
}

/// What was shown to the card, as the rules of an object in `folder` ask for it.
struct Shown<'a> {
    session: &'a Session,
    image: &'a Image,
    folder: FolderId,
}

impl SecurityState for Shown<'_> {
    fn is_verified(&self, password: u8) -> bool {
        let Some(id) = self.image.find_password(self.folder, password) else { return false };
        let is_open = self.image.password(id).is_some_and(|password| !password.enabled);
        is_open || self.session.is_verified(id)
    }

    fn is_secured_by(&self, key: u8) -> bool {
        self.session.pace.is_secured_by(key)
    }

    fn is_secured(&self) -> bool {
        self.session.pace.is_secured()
    }

    fn is_encrypted(&self) -> bool {
        self.session.pace.is_encrypted()
    }
}

/// Where a card has its randomness from.
pub(super) type Random<'a> = dyn FnMut() -> SecretBytes<32> + 'a;

fn done() -> Answer {
    Ok(ResponseApdu::new([], StatusWord::OK))
}
