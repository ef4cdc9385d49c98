//! Pictures of a letter's symbol: any bytes are a code of this service, a refusal, or no picture, in bounded time and
//! memory.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat};
use kartenbund::client::qr::from_bytes;
use kartenbund::protocol::qr::LetterCode;
use qrcodegen::{QrCode, QrCodeEcc};
use rand_core::UnwrapErr;

use super::code::SERVICE;
use super::input::Input;
use super::session::Dice;

/// Longest side of a picture of raw pixels.
const MAX_SIDE: usize = 96;
/// Modules of white around a symbol.
const QUIET: u32 = 4;

/// The first byte says whether the rest is a file, or side and pixels of a picture: what lies behind the file formats is
/// reached without guessing their check sums.
pub fn body(bytes: &[u8]) {
    let mut input = Input(bytes);
    let file = match input.byte() % 2 {
        0 => input.0.to_vec(),
        _ => {
            let (width, height) = (1 + input.below(MAX_SIDE), 1 + input.below(MAX_SIDE));
            let mut pixels = input.take(width * height).to_vec();
            pixels.resize(width * height, u8::MAX);
            picture(GrayImage::from_raw(width as u32, height as u32, pixels).expect("as many as were taken"))
        }
    };
    if let Ok(code) = from_bytes(&file, SERVICE) {
        let again = LetterCode::read(&code.text(), SERVICE).expect("what was written is read");
        assert_eq!(again.text().expose(), code.text().expose());
    }
}

fn picture(pixels: GrayImage) -> Vec<u8> {
    let mut file = Vec::new();
    DynamicImage::from(pixels).write_to(&mut Cursor::new(&mut file), ImageFormat::Png).expect("PNG is written");
    file
}

/// Symbols of a code, of something else, and of nothing, as files and as pixels.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let code = LetterCode::random(SERVICE, &mut UnwrapErr(Dice(0))).expect("a service");
    let mut seeds = vec![vec![0], vec![1, 0, 9, 0, 9]];
    for text in [code.text().expose().to_owned(), "https://other.example".to_owned()] {
        let symbol = QrCode::encode_text(&text, QrCodeEcc::Low).expect("it is short");
        let side = 2 * (symbol.size() as u32 + 2 * QUIET);
        let module = |at: u32| (at / 2) as i32 - QUIET as i32;
        let shade = |x, y| image::Luma([if symbol.get_module(module(x), module(y)) { 0 } else { u8::MAX }]);
        let pixels = GrayImage::from_fn(side, side, shade);
        assert!(side as usize <= MAX_SIDE);
        let sides = (side as u16 - 1).to_be_bytes().repeat(2);
        seeds.push([&[1], sides.as_slice(), pixels.as_raw()].concat());
        seeds.push([&[0], picture(pixels).as_slice()].concat());
    }
    seeds
}
