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
            match watch.next(TICK).and_then(|readers| choose_of(readers, wanted)) {
                Ok(reader) => break Some(reader),
                Err(ChannelError::NoService) => break None,
                Err(error) => missing = error,
            }
        };
        if let Some(reader) = found {
            return Ok((service, reader));
        }
        // A service that comes back sends no event: it is asked for.
        missing = ChannelError::NoService;
        match Service::connect() {
            Ok(again) => {
                service = again;
                missing = service.choose(wanted).err().unwrap_or(ChannelError::NoCard);
            }
            Err(_) => thread::sleep(TICK),
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
