//! `virtual-card new` and `virtual-card run`.

use std::net::ToSocketAddrs as _;
use std::sync::atomic::AtomicBool;

use kartenbund::apdu::CommandApdu;
use kartenbund::disk;
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::virtual_card::personalise::{Blueprint, Keys, Sex, TestCa, personalise};
use kartenbund::virtual_card::scenario::{Staged, Turn};
use kartenbund::virtual_card::vpcd::{self, Step};
use rand_core::UnwrapErr;
use serde_json::json;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

use crate::args::{self, NewCardArgs, VirtualCardCommand};
use crate::cards::load;
use crate::output::{Output, file_failure};

pub(crate) fn run(command: VirtualCardCommand, output: &Output) -> Result<(), Failure> {
    match command {
        VirtualCardCommand::New(args) => new(&args, output),
        VirtualCardCommand::Run { card_image, contactless, scenario, vpcd } => {
            plug(load(&card_image, contactless, scenario.as_deref())?, &vpcd, output)
        }
    }
}

fn new(args: &NewCardArgs, output: &Output) -> Result<(), Failure> {
    let invalid = |input: &str| Kind::InputInvalid.failure().text("input", input);
    let kvnr = Kvnr::typed(&args.kvnr)?;
    let (given_name, family_name) = args.name.trim().rsplit_once(' ').ok_or_else(|| invalid("card_name"))?;
    let mut blueprint = Blueprint::new(kvnr, given_name.trim(), family_name);
    if let Some(birth_date) = &args.birth_date {
        date(birth_date)?;
        blueprint.date_of_birth = birth_date.replace('-', "");
    }
    if let Some(sex) = args.sex {
        blueprint.sex = match sex {
            args::Sex::M => Sex::Male,
            args::Sex::W => Sex::Female,
            args::Sex::X => Sex::Undetermined,
            args::Sex::D => Sex::Diverse,
        };
    }
    if let Some(ik) = &args.payer_ik {
        blueprint.payer_ik = Some(ik.parse().map_err(|_| invalid("payer_ik"))?);
    }
    if let Some(name) = &args.payer_name {
        blueprint.payer_name.clone_from(name);
    }
    blueprint.iccsn.clone_from(&args.iccsn);
    if let (Some(not_before), Some(not_after)) = (&args.not_before, &args.not_after) {
        let (first, last) = (date(not_before)?, date(not_after)?);
        let end = Time::from_hms(23, 59, 59).unwrap_or(Time::MIDNIGHT);
        blueprint.validity = Some((first.midnight().assume_utc(), last.with_time(end).assume_utc()));
    }
    let refused = |error| Kind::CardImage.failure().because(&error);
    let ca = if args.rsa { TestCa::built_in_rsa() } else { TestCa::built_in() }.map_err(refused)?;
    blueprint.keys = if args.rsa { Keys::R2048 } else { Keys::E256 };
    let mut rng = UnwrapErr(getrandom::SysRng);
    let image = personalise(&blueprint, &ca, &mut rng, OffsetDateTime::now_utc()).map_err(refused)?;
    disk::write(&args.out, image.as_bytes()).map_err(file_failure(&args.out))?;
    let path = args.out.display().to_string();
    let (pin, can) = (blueprint.pin.expose(), blueprint.can.expose());
    let text = |value: &str| Value::Text(value.to_owned());
    let line = output.texts.with("done-virtual-card", &[("path", text(&path)), ("pin", text(pin)), ("can", text(can))]);
    output.result(&json!({ "path": path, "pin": pin, "can": can }), [line])
}

fn date(text: &str) -> Result<Date, Failure> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| Kind::InputInvalid.failure().text("input", "date"))
}

fn plug(staged: Staged, address: &str, output: &Output) -> Result<(), Failure> {
    let (mut card, mut reader) = staged.into_parts()?;
    let unreachable = |error: std::io::Error| Kind::ReaderPort.failure().because(&error);
    let address = address.to_socket_addrs().map_err(unreachable)?.next();
    let address = address.ok_or_else(|| unreachable(std::io::ErrorKind::AddrNotAvailable.into()))?;
    output.result(
        &json!({ "vpcd": address.to_string() }),
        [output.say("virtual-card-running", "address", address.to_string())],
    )?;
    // It runs until the program is stopped or the card is pulled; the card keeps its counters as long.
    let turn = |command: &[u8]| match CommandApdu::parse(command).map(|command| reader.turn(&command)) {
        // Bytes that are no command are for the card to answer; what this reader cannot do was refused before.
        Err(_) | Ok(Turn::Pass | Turn::Break | Turn::Reset | Turn::TimeOut) => Step::Answer,
        Ok(Turn::Refuse(status)) => Step::Refuse(status),
        Ok(Turn::Pull) => Step::Pull,
        Ok(Turn::LoseAnswer) => Step::PullBeforeAnswer,
    };
    vpcd::plug(&mut card, address, &AtomicBool::new(false), turn).map_err(unreachable)?;
    Ok(())
}
