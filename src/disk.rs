//! Files that are whole or not there, and that nobody else can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

/// How the name of a file begins that is not whole yet.
const TEMPORARY: &str = ".new-";

/// Writes `content` to `path` so that a crash at any moment leaves the old file or the new one: a temporary file beside
/// it with permissions for its owner only, flushed to the disk, then renamed.
///
/// # Errors
/// Those of the file system; the old file is then untouched.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path).ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = temporary(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// The same for a file that must not be there yet.
///
/// # Errors
/// Those of the file system, `AlreadyExists` among them.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path).ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = temporary(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A file for its owner only (mode 0600).
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

/// Removes what programs have left in a folder that were killed while they wrote a file, before this moment.
///
/// # Errors
/// Those of the file system.
pub fn sweep(folder: &Path, before: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_left = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
            && entry.metadata().and_then(|about| about.modified()).is_ok_and(|at| at < before);
        if is_left {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Reads a file of at most `max` bytes; `None` when it is not there.
///
/// # Errors
/// Those of the file system, and `InvalidData` for a longer file.
pub fn read(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut content)?;
    if content.len() > max { Err(io::ErrorKind::InvalidData.into()) } else { Ok(Some(content)) }
}

/// Removes a file for good; it is no error when it is not there.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => folder_of(path).filter(|folder| folder.exists()).map_or(Ok(()), sync_folder),
    }
}

/// The folder a file lies in. A mere name lies in the current one, which no path names: nothing can be opened at "".
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Makes a folder, and those above it, for its owner only; it is no error when it is there.
///
/// # Errors
/// Those of the file system.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes an empty file for its owner only, whatever the folder allows; a file that is there is left as it is.
///
/// # Errors
/// Those of the file system.
pub fn make_private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Holds back every other process that locks the same folder, until what it gives is dropped.
///
/// # Errors
/// Those of the file system.
#[cfg(unix)]
pub fn lock_folder(folder: &Path) -> io::Result<File> {
    let lock = File::open(folder)?;
    lock.lock()?;
    Ok(lock)
}

/// A folder cannot be opened as a file there: nobody is held back.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn lock_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Holds back every other process that locks the same file, until what it gives is dropped. The file is made where it is
/// missing, and stays empty.
///
/// # Errors
/// Those of the file system.
pub fn lock_file(path: &Path) -> io::Result<File> {
    make_private_file(path)?;
    let lock = File::open(path)?;
    lock.lock()?;
    Ok(lock)
}

/// Flushes what was made, renamed or removed in a folder.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes what was made, renamed or removed in a folder.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(()) // a folder cannot be opened as a file there; the rename is journalled by the file system
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_not_written_over_as_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"first").unwrap();
        assert_eq!(write_new(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn what_a_killed_program_has_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let left = temporary(folder.path()).unwrap().into_temp_path().keep().unwrap();
        let kept = folder.path().join("device.json");
        write(&kept, b"whole").unwrap();
        let (now, hour) = (fs::metadata(&left).unwrap().modified().unwrap(), std::time::Duration::from_secs(3600));
        sweep(folder.path(), now - hour).unwrap();
        assert!(left.exists(), "somebody may be writing it still");
        sweep(folder.path(), now + hour).unwrap();
        assert!(!left.exists() && kept.exists());
    }

    #[test]
    fn a_file_that_is_longer_than_it_may_be_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path, 4).unwrap(), None);
        write(&path, b"1234").unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"1234");
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
