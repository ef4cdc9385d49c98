//! `approvals watch`: tells of each approval as it comes, until Ctrl+C.

use kartenbund::client::home::Home;
use kartenbund::client::watch::{Told, watch};
use kartenbund::client::{login, rebind};
use kartenbund::ui::failure::Failure;
use kartenbund::ui::terminal::interruptible;

use crate::account::{approval_line, choices, clock, may_show, now};
use crate::output::Output;

pub(crate) fn run(home: Home, output: &Output) -> Result<(), Failure> {
    let here = login::resume_watching(home, clock())?;
    let _may = may_show(&here, output)?;
    output.remark("watch-begins", &[]);
    output.remind(rebind::reminder(&here.home, now()));
    let mut failed = None;
    interruptible(|is_cancelled| {
        let mut tell = |told| {
            let done = match told {
                Told::Approval(approval) => {
                    let lines = std::iter::once(approval_line(&approval, output));
                    output.result(&approval, lines.chain(choices(approval.approval_id, output)))
                }
                Told::Lost => {
                    output.remark("watch-lost", &[]);
                    Ok(())
                }
                Told::Back => {
                    output.remark("watch-back", &[]);
                    Ok(())
                }
            };
            failed = failed.take().or(done.err());
        };
        watch(here, &clock(), is_cancelled, &mut tell)
    })??;
    failed.map_or(Ok(()), Err)
}
