//! Rows of files that only lines are appended to: those of the audit trail.
//!
//! 1. The newest file is appended to; a full one is renamed, and the oldest of [`Rows::kept`] goes.
//! 2. A line is on the disk before [`Rows::append`] returns; one that a power cut left half spoils no other.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder of the audit trail, below the root of the system.
pub const FOLDER: &str = "var/lib/vigie/audit";
/// A file of this appliance is full beyond so many bytes.
pub const FULL: u64 = 256 << 10;

/// One row of files.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Where they are.
    pub folder: PathBuf,
    /// How they are called.
    pub name: &'static str,
    /// How many are kept, the one that is appended to included.
    pub kept: u32,
    /// A file is full beyond so many bytes.
    pub full: u64,
}

impl Rows {
    /// One of the files; 0 is the one that is appended to.
    #[must_use]
    pub fn file(&self, number: u32) -> PathBuf {
        self.folder.join(match number {
            0 => format!("{}.jsonl", self.name),
            older => format!("{}.{older}.jsonl", self.name),
        })
    }

    /// Appends a line and sees it onto the disk.
    ///
    /// # Errors
    /// The state volume refuses.
    pub fn append(&self, line: &str) -> io::Result<()> {
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&self.folder)?;
        let _lock = self.lock()?;
        let line = format!("{line}\n");
        let length = fs::metadata(self.file(0)).map_or(0, |file| file.len());
        if length > 0 && length + line.len() as u64 > self.full {
            self.turn_over()?;
        }
        let mut options = OpenOptions::new();
        options.read(true).create(true).append(true).mode(0o600);
        let mut file = options.open(self.file(0))?;
        let lead = if ends_a_line(&self.file(0))? {
            ""
        } else {
            "\n"
        };
        file.write_all((lead.to_owned() + &line).as_bytes())?;
        file.sync_all()?;
        self.sync()
    }

    /// Processes that write at the same time do so one after the other.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// Makes room for a new file: the oldest goes. A cut between two steps leaves a gap, which the next
    /// one closes.
    fn turn_over(&self) -> io::Result<()> {
        for number in (0..self.kept).rev() {
            let from = self.file(number);
            let moved = match number + 1 < self.kept {
                true => fs::rename(from, self.file(number + 1)),
                false => fs::remove_file(from),
            };
            match moved {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// All lines, the oldest first.
    #[must_use]
    pub fn load(&self) -> Vec<String> {
        let files = (0..self.kept).rev().map(|number| text(&self.file(number)));
        files
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

fn ends_a_line(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The text of a file of lines; what is no text in it spoils its line alone.
#[must_use]
pub fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(2 * FULL).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn row(root: &tempfile::TempDir) -> Rows {
        Rows {
            folder: root.path().join(FOLDER),
            name: "actions",
            kept: 3,
            full: 4 << 10,
        }
    }

    fn line(number: u64) -> String {
        format!("{{\"time\":{number},\"about\":\"{}\"}}", "x".repeat(150))
    }

    /// The numbers of the lines that can be read.
    fn times(row: &Rows) -> Vec<u64> {
        let lines = row.load().into_iter();
        lines
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
            .filter_map(|line| line["time"].as_u64())
            .collect()
    }

    #[test]
    fn lines_are_appended_and_the_oldest_files_go() {
        let root = tempfile::tempdir().expect("a folder");
        let row = row(&root);
        for number in 0..100 {
            row.append(&line(number)).expect("appended");
        }
        let all = times(&row);
        assert_eq!(all.last(), Some(&99));
        let (first, count) = (all[0], all.len() as u64);
        assert_eq!(first + count, 100, "nothing is missing in between");
        assert!(first > 0 && count > 20, "{first} {count}");
        for number in 0..3 {
            let file = fs::metadata(row.file(number)).expect("a file");
            assert!(file.len() <= row.full && file.permissions().mode() & 0o777 == 0o600);
        }
        assert!(!row.file(3).exists());
        let folder = fs::metadata(&row.folder).expect("a folder");
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_cut_at_any_moment_spoils_nothing_else() {
        let root = tempfile::tempdir().expect("a folder");
        let row = Rows {
            kept: 8,
            ..row(&root)
        };
        row.append(&line(1)).expect("appended");
        row.append(&line(2)).expect("appended");
        let whole = fs::read(row.file(0)).expect("read");
        let first = line(1).len() + 1;
        for length in first..whole.len() {
            fs::write(row.file(0), &whole[..length]).expect("cut");
            row.append(&line(3)).expect("appended");
            // The half one counts as soon as only its end of line is missing.
            let half = length == whole.len() - 1;
            let expected = if half { vec![1, 2, 3] } else { vec![1, 3] };
            assert_eq!(times(&row), expected, "cut at {length}");
        }
        // Between two renames there is a gap, which is read over and closed.
        fs::rename(row.file(0), row.file(2)).expect("renamed");
        row.append(&line(4)).expect("appended");
        assert_eq!(times(&row).last(), Some(&4));
        row.turn_over().expect("turned over");
        assert!(row.file(1).exists() && row.file(3).exists() && !row.file(2).exists());
    }

    #[test]
    fn a_volume_without_room_is_an_error_and_keeps_what_is_there() {
        let root = tempfile::tempdir().expect("a folder");
        let row = row(&root);
        row.append(&line(1)).expect("appended");
        fs::rename(row.file(0), row.file(1)).expect("renamed");
        // It takes no byte: full(4).
        symlink("/dev/full", row.file(0)).expect("a link");
        let error = row.append(&line(2)).expect_err("no room");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        fs::remove_file(row.file(0)).expect("removed");
        assert_eq!(times(&row), [1]);
        row.append(&line(3)).expect("there is room again");
        assert_eq!(times(&row), [1, 3]);
    }
}
