//! Jobs that an operator starts: the register, and letters.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use kartenbund::identity::kvnr::Kvnr;
use kartenbund::jose::Thumbprint;
use kartenbund::server::{
    Code, Config, ImportEvent, LetterEvent, Ordered, Progress, PublicKeys, RollStep, ServerError, Service,
};
use time::OffsetDateTime;

use crate::failure::Failure;

async fn open(mut config: Config) -> Result<Arc<Service>, ServerError> {
    // Codes in letters name the service; without a name of its own it is called by its address, as when it runs.
    if config.settings.issuer.is_empty() {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        config.settings.issuer = format!("{scheme}://{}", config.listen);
    }
    Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await
}

fn progress(unit: &'static str) -> Progress<std::io::Stderr> {
    Progress::new(std::io::stderr(), std::io::stderr().is_terminal(), unit)
}

pub(crate) async fn import(config: Config, path: &Path) -> Result<(), Failure> {
    let unreadable = |error| Failure::File(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let service = open(config).await?;
    let mut progress = progress("bytes");
    let report = service.import(file, |event| match event {
        ImportEvent::Progress(bytes) => progress.show(bytes, length),
        ImportEvent::Rejected { line, reason } => {
            progress.pause();
            eprintln!("line {line}: {reason}");
        }
    });
    let report = report.await;
    service.close().await;
    let report = report?;
    progress.pause();
    for column in &report.ignored_columns {
        eprintln!("column {column:?} means nothing here and was not read");
    }
    println!("imported: {}\nchanged: {}\nunchanged: {}", report.imported, report.changed, report.unchanged);
    if report.rejected == 0 { Ok(()) } else { Err(Failure::Rejected(report.rejected)) }
}

pub(crate) async fn create_letters(config: Config) -> Result<(), Failure> {
    let service = open(config).await?;
    let mut progress = progress("letters");
    let report = service.create_letters(|event| match event {
        LetterEvent::Progress { done, total } => progress.show(done, total),
        LetterEvent::Failed { letter_id, reason } => {
            progress.pause();
            eprintln!("letter {letter_id}: {reason}");
        }
        LetterEvent::InitialPassword { .. } => {}
    });
    let report = report.await;
    service.close().await;
    let report = report?;
    progress.pause();
    println!("invited: {}\ncreated: {}\ncancelled: {}", report.invited, report.created, report.cancelled);
    if report.failed == 0 { Ok(()) } else { Err(Failure::NotPrinted(report.failed)) }
}

pub(crate) async fn roll(config: Config, step: RollStep) -> Result<(), Failure> {
    let service = open(config).await?;
    let rolled = service.roll_signing_key(step).await;
    service.close().await;
    let key = rolled?;
    let done = match step {
        RollStep::Announce => "announced",
        RollStep::Activate => "in use",
        RollStep::Retire => "retired",
    };
    println!("{key} is {done}\nservice-keys.json has changed: back it up");
    Ok(())
}

/// What holds afterwards is shown as the file has it then.
pub(crate) async fn revoke(config: Config, former: Option<Thumbprint>) -> Result<(), Failure> {
    let service = open(config).await?;
    let revoked = service.revoke_signing_keys(former).await;
    service.close().await;
    print_keys(&revoked?, &mut std::io::stdout())?;
    println!("service-keys.json has changed: back it up, and erase the backups of before");
    Ok(())
}

/// Each key with what it is good for, a line each.
pub(crate) fn print_keys(keys: &PublicKeys, out: &mut dyn std::io::Write) -> Result<(), std::io::Error> {
    let listed = keys.listed.iter().zip(["signs", "listed"]);
    let others = [(&keys.former, "former"), (&keys.revoked, "revoked")];
    let others = others.into_iter().flat_map(|(keys, what)| keys.iter().map(move |key| (key, what)));
    for (key, what) in listed.chain(others) {
        writeln!(out, "{}  {what}", key.thumbprint())?;
    }
    Ok(())
}

pub(crate) async fn order_letter(config: Config, kvnr: &Kvnr, device_code: bool) -> Result<(), Failure> {
    let service = open(config).await?;
    let ordered = match device_code {
        true => service.order_device_code(kvnr, "operator").await,
        false => service.order_letter(kvnr, "operator").await,
    };
    service.close().await;
    match ordered.map_err(Failure::NotOrdered)? {
        Ordered::Yes => println!("ordered"),
        Ordered::Already => println!("ordered before; the next `letters create` makes it"),
        Ordered::NotNow | Ordered::TooMany => return Err(Failure::NotOrdered(Code::AccountState)),
    }
    Ok(())
}
