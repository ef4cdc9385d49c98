//! `card genuine`: the chip shows that it is genuine, without any PIN.

use std::path::PathBuf;

use kartenbund::egk::{Egk, EgkError, Interface};
use kartenbund::pki::cvc::TestCvcRoots;
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion};
use kartenbund::reader::CardChannel;
use kartenbund::ui::failure::{Failure, Kind, Value};
use rand_core::UnwrapErr;
use serde_json::json;
use time::OffsetDateTime;

use crate::args::CardArgs;
use crate::cards::without_pin;
use crate::output::{Output, read_file};

/// Longest certificate file that is read, in bytes.
const MAX_CVC: usize = 4096;

pub(crate) fn run(card: &CardArgs, roots: &[PathBuf], output: &Output) -> Result<(), Failure> {
    let roots = read_roots(roots)?;
    let occasion = Occasion::of_nobody(&mut UnwrapErr(getrandom::SysRng));
    let answer = without_pin(card, output, |egk| Answer::of(egk, &occasion))?;
    let presence = ChipPresence::check(&answer.evidence, occasion, &roots, OffsetDateTime::now_utc())?;

    let chip = presence.chip();
    let (iccsn, authority, root) = (chip.iccsn().to_string(), chip.authority().to_string(), chip.root().to_string());
    let text = |value: &str| Value::Text(value.to_owned());
    let kind = if chip.root().is_test() { "test" } else { "real" };
    let values =
        [("iccsn", text(&iccsn)), ("authority", text(&authority)), ("root", text(&root)), ("kind", text(kind))];
    output.result(
        &json!({
            "iccsn": iccsn, "authority": authority, "root": root, "test_root": chip.root().is_test(),
            "interface": answer.interface.to_string(), "proves": "chip",
        }),
        [output.texts.with("card-genuine", &values), output.texts.get("card-genuine-honest")],
    )
}

/// What the card gave, and how it was reached.
struct Answer {
    evidence: ChipEvidence,
    interface: Interface,
}

impl Answer {
    fn of<C: CardChannel>(egk: &mut Egk<C>, occasion: &Occasion) -> Result<Self, EgkError> {
        let (chip, authority) = (egk.read_chip_certificate()?, egk.read_chip_authority()?);
        let signature = egk.authenticate_chip(&occasion.nonce())?.to_vec();
        Ok(Self { evidence: ChipEvidence { chip, authority, signature }, interface: egk.interface() })
    }
}

/// Test roots are taken as well: whoever asks has named them, and is told.
pub(crate) fn read_roots(files: &[PathBuf]) -> Result<TestCvcRoots, Failure> {
    let mut roots = TestCvcRoots::default();
    for file in files {
        roots
            .add_certificate(&read_file(file, MAX_CVC)?)
            .map_err(|error| Kind::CvcRoot.failure().text("path", file.display().to_string()).because(&error))?;
    }
    Ok(roots)
}
