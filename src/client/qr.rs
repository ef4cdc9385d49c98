//! Codes on this computer: read from a picture or typed, and what their key signs; and the code that this computer shows
//! another one.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageDecoder as _, ImageReader, Limits, imageops};
use thiserror::Error;
use zeroize::Zeroizing;

use super::login::LoggedIn;
use super::service::ServiceError;
use super::{AskError, Surroundings};
use crate::client::home::Profile;
use crate::jose::jws;
use crate::jose::{P256Jwk, Thumbprint};
use crate::protocol::api::{ScreenCodeAnswer, ScreenCodeRequest};
use crate::protocol::qr::{CodeError, LetterCode, QrEvidence, QrStatement, TypedGroups};
use crate::protocol::{Challenge, NumericDate, RegistrationId, VERSION};
use crate::secret::SecretText;

/// How long the program that something was copied in may take to hand it over.
#[cfg(unix)]
const CLIPBOARD_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// Largest picture that is read, as a file and in memory: a telephone makes 12 megabytes and 50 million pixels of a page.
const MAX_FILE: u64 = 32 * 1024 * 1024;
const MAX_SIDE: u32 = 16_384;
const MAX_PIXELS: u64 = 64 * 1024 * 1024;
const MAX_MEMORY: u64 = 512 * 1024 * 1024;
/// The picture is looked at as it is, larger where it is small, and smaller: what is fine grain to a camera is no module.
const SCALES: [(u32, u32); 4] = [(1, 1), (2, 1), (1, 2), (1, 4)];
/// Pictures with longer sides are not made larger.
const SHORT_SIDE: u32 = 2048;
/// Pictures with longer sides are made smaller first.
const LONG_SIDE: u32 = 4096;

/// Why there is no code.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    File(#[source] io::Error),
    /// It is no picture of a kind that is read, damaged, or too large.
    #[error("not a picture that can be read")]
    Picture(#[source] Option<image::ImageError>),
    /// There is no clipboard, or neither picture nor text in it.
    #[error("there is no picture in the clipboard")]
    Clipboard(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// No QR symbol is seen in the picture.
    #[error("no QR symbol is seen in the picture")]
    NoSymbol,
    /// What was read or typed is no code for this service.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Reads the code from a picture, PNG or JPEG: a photo, a scan or a screenshot.
///
/// # Errors
/// [`ReadError`].
pub fn from_picture(path: &Path, service: &str) -> Result<LetterCode, ReadError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(ReadError::File)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(ReadError::File)?;
    from_bytes(&bytes, service)
}

/// Reads the code from a picture in the clipboard of the desktop (X11, which a Wayland desktop offers as well), or from
/// its text.
///
/// # Errors
/// [`ReadError`].
pub fn from_clipboard(service: &str) -> Result<LetterCode, ReadError> {
    match clipboard()? {
        Copied::Picture(bytes) => from_bytes(&bytes, service),
        Copied::Text(text) if text.expose().contains(':') => Ok(LetterCode::read(&text, service)?),
        Copied::Text(text) => {
            let mut groups = TypedGroups::new();
            groups.take(&text)?;
            Ok(groups.finish(service)?)
        }
    }
}

/// What was copied.
enum Copied {
    Picture(Zeroizing<Vec<u8>>),
    Text(SecretText),
}

#[cfg(unix)]
fn clipboard() -> Result<Copied, ReadError> {
    let failed = |error: x11_clipboard::error::Error| ReadError::Clipboard(Some(Box::new(error)));
    let clipboard = x11_clipboard::Clipboard::new().map_err(failed)?;
    let atoms = &clipboard.getter.atoms;
    let load = |target| clipboard.load(atoms.clipboard, target, atoms.property, CLIPBOARD_WAIT).map(Zeroizing::new);
    // Where what was copied is no picture, the library takes the answer for none at all.
    if let Ok(picture) = load(clipboard.getter.get_atom("image/png").map_err(failed)?)
        && !picture.is_empty()
    {
        return Ok(Copied::Picture(picture));
    }
    let text = load(atoms.utf8_string).map_err(failed)?;
    let text = std::str::from_utf8(&text).ok().map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| Copied::Text(SecretText::new(text.to_owned()))).ok_or(ReadError::Clipboard(None))
}

#[cfg(not(unix))]
fn clipboard() -> Result<Copied, ReadError> {
    Err(ReadError::Clipboard(None))
}

/// The same for the bytes of a picture, whoever made them.
///
/// # Errors
/// [`ReadError`].
pub fn from_bytes(bytes: &[u8], service: &str) -> Result<LetterCode, ReadError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(ReadError::Picture(None));
    }
    let picture = decode(bytes)?;
    // Another symbol may be in the picture, too: on a parcel beside the letter.
    let mut other = None;
    for (times, part) in SCALES {
        let [width, height] = [picture.width(), picture.height()].map(|side| (side * times / part).max(1));
        let scaled = match (times, part) {
            (1, 1) => None,
            (1, _) => Some(imageops::thumbnail(&picture, width, height)),
            _ if picture.width().max(picture.height()) > SHORT_SIDE => continue,
            _ => Some(imageops::resize(&picture, width, height, FilterType::Triangle)),
        };
        for text in symbols(scaled.as_ref().unwrap_or(&picture)) {
            match LetterCode::read(&text, service) {
                Ok(code) => return Ok(code),
                Err(error @ CodeError::OtherService(_)) => other = Some(error),
                Err(error) => other = other.or(Some(error)),
            }
        }
    }
    Err(other.map_or(ReadError::NoSymbol, ReadError::Code))
}

/// The picture in grey, on white where it is transparent. Its size is looked at before it is unpacked.
fn decode(bytes: &[u8]) -> Result<GrayImage, ReadError> {
    let refused = |error| ReadError::Picture(Some(error));
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::new(Cursor::new(bytes));
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(ReadError::File)?;
    let decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ReadError::Picture(None));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(refused)?.into_luma_alpha8();
    let mut grey = GrayImage::new(width, height);
    for (from, to) in picture.pixels().zip(grey.pixels_mut()) {
        let [luma, alpha] = from.0.map(u32::from);
        to.0 = [u8::try_from((luma * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)];
    }
    let long = width.max(height);
    if long <= LONG_SIDE {
        return Ok(grey);
    }
    let shorter = |side: u32| (u64::from(side) * u64::from(LONG_SIDE) / u64::from(long)).max(1);
    let [width, height] = [width, height].map(|side| u32::try_from(shorter(side)).unwrap_or(LONG_SIDE));
    Ok(imageops::thumbnail(&grey, width, height))
}

/// What the symbols in a picture say.
fn symbols(picture: &GrayImage) -> Vec<SecretText> {
    let size = |side: u32| usize::try_from(side).unwrap_or_default();
    let (width, height) = (size(picture.width()), size(picture.height()));
    let pixels = picture.as_raw();
    let pixel = |x: usize, y: usize| pixels.get(y * width + x).copied().unwrap_or(u8::MAX);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let grids = prepared.detect_grids();
    grids.iter().filter_map(|grid| Some(SecretText::new(grid.decode().ok()?.1))).collect()
}

/// Asks for the groups of the letter, each checked as it is typed; a whole symbol's text may be given instead.
///
/// # Errors
/// [`ReadError`].
pub fn typed(service: &str, around: &mut Surroundings<'_>) -> Result<LetterCode, ReadError> {
    let mut groups = TypedGroups::new();
    let mut wrong: Option<CodeError> = None;
    while let Some(number) = groups.next() {
        let typed = match (around.ui.letter_code(number, wrong.as_ref()), wrong.take()) {
            // A script does not try again.
            (Err(AskError::NobodyThere), Some(wrong)) => return Err(wrong.into()),
            (typed, _) => typed?,
        };
        if number == 1 && typed.expose().contains(':') {
            return Ok(LetterCode::read(&typed, service)?);
        }
        wrong = groups.take(&typed).err();
    }
    Ok(groups.finish(service)?)
}

/// Draws a code with which another computer is registered for this account, and makes its public key known to the service.
/// The secret goes nowhere: whoever shows the code shows it to people. Also until when it holds, by the service's clock.
///
/// # Errors
/// [`ServiceError`]; the service refuses where neither card and card PIN nor a registered device have opened the session.
pub fn draw(here: &LoggedIn, around: &mut Surroundings<'_>) -> Result<(LetterCode, NumericDate), ServiceError> {
    let code = LetterCode::random(&here.profile.service, around.rng).ok_or(ServiceError::Malformed)?;
    let jwk = P256Jwk::from(*code.key().ok_or(ServiceError::Malformed)?.verifying_key());
    let request = ScreenCodeRequest { qr_id: code.id(), jwk };
    let answer: ScreenCodeAnswer = here.service.call(reqwest::Method::POST, "/v1/device-codes", &request)?;
    Ok((code, answer.expires_at))
}

/// Lets the key of the code sign this device key for this registration.
pub(super) fn sign(
    code: &LetterCode,
    profile: &Profile,
    registration_id: RegistrationId,
    challenge: Challenge,
    jkt: Thumbprint,
    iat: NumericDate,
) -> Option<QrEvidence> {
    let statement = QrStatement {
        v: VERSION,
        aud: profile.service.clone(),
        registration_id,
        challenge,
        jkt,
        kvnr: profile.kvnr.clone(),
        iat,
    };
    let qr_jws = jws::sign(&statement, &code.key()?).ok()?;
    Some(QrEvidence { qr_id: code.id(), qr_jws })
}
