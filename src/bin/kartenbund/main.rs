//! `kartenbund`: the command line.

mod account;
mod args;
mod card_genuine;
mod card_pin;
mod cards;
mod computer;
#[cfg(feature = "server")]
mod demo;
mod doctor;
mod events;
mod evidence;
mod login;
mod notices;
mod output;
mod screen_code;
mod virtual_card;
mod waiting;
mod watch;

use std::process::ExitCode;

use args::{ApprovalsCommand, CardCommand, Cli, Command, HelpCommand};
use kartenbund::ui::failure::Failure;
use kartenbund::ui::numbers::NUMBERS;
use output::Output;

fn main() -> ExitCode {
    #[cfg(feature = "tpm")]
    silence_tpm_software();
    let language = args::language();
    let (cli, output) = match args::parse(language) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// The TPM2 software stack writes its own messages between those of this program, unless a variable says otherwise before
/// it begins: the program starts anew with that. Where it cannot, they are written.
#[cfg(feature = "tpm")]
fn silence_tpm_software() {
    use std::os::unix::process::CommandExt as _;
    const VARIABLE: &str = "TSS2_LOG";
    if std::env::var_os(VARIABLE).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let _ = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(VARIABLE, "all+none").exec();
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let computer = cli.computer();
    let home = || computer.home();
    match cli.command {
        Command::Readers(card) => cards::readers(&card, output),
        Command::Read(card) => cards::read(&card, output),
        Command::Record { card, out } => cards::record(&card, &out, output),
        Command::Replay { file, explain: true, .. } => cards::explain(&file, output),
        Command::Replay { file, card, .. } => cards::replay(&file, &card, output),
        Command::Doctor(doctor) => doctor::run(&home()?, &doctor, output),
        Command::Card(CardCommand::Pin(command)) => card_pin::run(command, output),
        Command::Card(CardCommand::Genuine { card, cvc_root }) => card_genuine::run(&card, &cvc_root, output),
        Command::VirtualCard(command) => virtual_card::run(command, output),
        Command::Login(args) => login::login(&computer, args, output),
        Command::Logout { everywhere } => login::logout(&computer, everywhere, output),
        Command::Password(command) => login::password(&computer, command, output),
        Command::Sessions { command } => login::sessions(&computer, command, output),
        Command::Accounts => computer::accounts(&computer, output),
        Command::Register(register) => account::register(home()?, &register, output),
        Command::Emergency { service, code_fd } => account::emergency(&computer, service, code_fd, output),
        Command::Devices { command } => account::devices(home()?, command, output),
        Command::Apply(application) => account::apply(home()?, application, output),
        Command::Approvals { watch: true, .. } => watch::run(home()?, output),
        Command::Approvals { command: Some(ApprovalsCommand::Watch), .. } => watch::run(home()?, output),
        Command::Approvals { command, .. } => account::approvals(home()?, command, output),
        Command::Notices { command } => notices::notices(home()?, command, output),
        Command::Events { limit } => events::events(home()?, limit, output),
        Command::Evidence(command) => evidence::run(home, command, output),
        Command::Help(HelpCommand::Numbers) => help_numbers(output),
        #[cfg(feature = "server")]
        Command::Demo(demo) => demo::run(&demo, output),
    }
}

/// What the numbers around a health card are, where they stand, and what helps without one.
fn help_numbers(output: &Output) -> Result<(), Failure> {
    let texts = NUMBERS.map(|name| (name, output.texts.get(&format!("number-{name}"))));
    let list: Vec<_> =
        texts.iter().map(|(name, text)| serde_json::json!({ "name": name.replace('-', "_"), "text": text })).collect();
    let lines = texts.iter().map(|(_, text)| text.replace('\n', "\n  "));
    output.result(&serde_json::json!({ "numbers": list }), lines)
}
