//! Waiting for a reader and a card, and saying what for. In a terminal it ends with the card or with Ctrl+C; a script
//! waits only where it says how long (`--wait`), so that none hangs.

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::{Duration, Instant};

use kartenbund::reader::ChannelError;
use kartenbund::reader::pcsc::{Reader, Service, Watch, choose_of};
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::terminal::interruptible;

use crate::args::CardArgs;
use crate::output::{Output, tell};

/// How long nothing is heard of Ctrl+C: the service's call cannot be left from a signal handler.
const TICK: Duration = Duration::from_millis(250);

/// How often, each after a [`TICK`], a service that came back may hang up before it is believed to refuse.
const MAX_REFUSALS: u32 = 20;

/// The reader that holds the card to use, and the service it is connected to.
pub(crate) fn for_card(args: &CardArgs, output: &Output) -> Result<(Service, Reader), Failure> {
    let wanted = args.reader.as_deref();
    let service = Service::connect()?;
    let missing = match service.choose(wanted) {
        Ok(reader) => return Ok((service, reader)),
        Err(error) => error,
    };
    let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal() && !output.json;
    let seconds = match args.wait {
        None if is_terminal => None,
        None | Some(0) => return Err(missing.into()),
        seconds => seconds,
    };
    let until = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(u64::from(seconds))));
    interruptible(|is_cancelled| wait(service, wanted, missing, until, is_cancelled, output))?
}

fn wait(
    mut service: Service,
    wanted: Option<&str>,
    mut missing: ChannelError,
    until: Option<Instant>,
    is_cancelled: &dyn Fn() -> bool,
    output: &Output,
) -> Result<(Service, Reader), Failure> {
    let mut told = String::new();
    let mut refusals = 0;
    loop {
        let mut watch = Watch::new(&service);
        let found = loop {
            let Some(line) = waited_for(&missing, wanted, output) else { return Err(missing.into()) };
            if line != told {
                say(&line, told.is_empty(), output);
                told = line;
            }
            if is_cancelled() {
                return Err(Kind::Cancelled.failure());
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(missing.into());
            }
            // Whatever the service says while it ends, it is asked for anew.
            let Ok(readers) = watch.next(TICK) else { break None };
            match choose_of(readers, wanted) {
                Ok(reader) => break Some(reader),
                Err(error) => missing = error,
            }
        };
        if let Some(reader) = found {
            return Ok((service, reader));
        }
        // A service that comes back sends no event: it is asked for.
        missing = ChannelError::NoService;
        thread::sleep(TICK);
        match Service::connect() {
            Ok(again) => {
                service = again;
                missing = service.choose(wanted).err().unwrap_or(ChannelError::NoCard);
            }
            // A service that is about to end hangs up on everybody: only one that goes on with it refuses.
            Err(error @ ChannelError::NotAllowed(_)) if refusals == MAX_REFUSALS => return Err(error.into()),
            Err(error) => refusals += u32::from(matches!(error, ChannelError::NotAllowed(_))),
        }
    }
}

/// What is waited for, in a sentence; `None` where waiting does not help.
fn waited_for(missing: &ChannelError, wanted: Option<&str>, output: &Output) -> Option<String> {
    let id = match missing {
        ChannelError::NoService => "wait-service",
        ChannelError::NoReader { .. } => "wait-reader",
        ChannelError::NoCard | ChannelError::Removed => "wait-card",
        ChannelError::MuteCard => "wait-mute",
        _ => return None,
    };
    Some(output.texts.with(id, &[("reader", Value::Text(wanted.unwrap_or("none").to_owned()))]))
}

fn say(line: &str, is_first: bool, output: &Output) {
    if !output.json {
        tell(&format!("· {line}"));
        if is_first {
            tell(&format!("· {}", output.texts.get("wait-end")));
        }
    }
}
