//! Writes what every target begins with to `FOLDER/TARGET`: `seeds FOLDER`.

use std::path::Path;

use kartenbund_fuzz::seeds;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("seeds FOLDER"))?;
    for target in seeds::TARGETS {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
