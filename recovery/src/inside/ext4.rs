//! Files of an ext4 volume. A journal that was not replayed is applied in memory, so what is read is
//! what a mount would show.

use std::error::Error;
use std::io::{self, Read};
use std::path::PathBuf;

use ext4_view::{Ext4, Ext4Error, Ext4Read};
use vigie_disk::{BlockDevice, Bytes};
use vigie_settings::Files as SettingsFiles;

use super::Unreadable;

/// A document of the settings is at most 1 MiB; one byte more tells that it is not.
const MOST: u64 = (1 << 20) + 1;

/// The files of a volume.
pub struct Files {
    volume: Ext4,
    device: String,
}

struct Reader(Box<dyn BlockDevice>);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        into: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        Ok(self.0.read_at(Bytes::new(start), into)?)
    }
}

impl Files {
    /// Opens a volume.
    ///
    /// # Errors
    /// It holds no ext4 file system, or one that is damaged where everything begins.
    pub fn open(device: Box<dyn BlockDevice>) -> Result<Self, Unreadable> {
        let name = device.name().to_owned();
        let volume = Ext4::load(Box::new(Reader(device)));
        let volume = volume.map_err(|error| unreadable(&name, "/", error))?;
        Ok(Self {
            volume,
            device: name,
        })
    }

    /// A file from an absolute path, at most `most` bytes of it; none where there is none.
    ///
    /// # Errors
    /// The file system is damaged there.
    pub fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, Unreadable> {
        let failed = |error: Ext4Error| unreadable(&self.device, path, error);
        let file = match self.volume.open(path) {
            Ok(file) => file,
            Err(Ext4Error::NotFound) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        let read = file.take(most).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&self.device, path, error))?;
        Ok(Some(bytes))
    }

    /// The names of the folders in the root, sorted; at most 1000, without lost+found. What cannot
    /// be read is left out.
    #[must_use]
    pub fn folders(&self) -> Vec<String> {
        const MOST: usize = 1000;
        let entries = self.volume.read_dir("/").into_iter().flatten();
        let mut names: Vec<String> = entries
            .map_while(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| Some(entry.file_name().as_str().ok()?.to_owned()))
            .filter(|name| !matches!(name.as_str(), "." | ".." | "lost+found"))
            .take(MOST)
            .collect();
        names.sort();
        names
    }

    /// The documents in the folder of the settings, for a [`vigie_settings::Store`].
    #[must_use]
    pub fn settings(&self) -> Documents<'_> {
        Documents(self)
    }
}

fn unreadable(device: &str, path: &str, why: impl ToString) -> Unreadable {
    Unreadable {
        path: path.to_owned(),
        device: device.to_owned(),
        why: why.to_string(),
    }
}

/// The generations of the settings on a volume, for reading.
#[derive(Clone, Copy)]
pub struct Documents<'a>(&'a Files);

impl SettingsFiles for Documents<'_> {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/")
            .join(vigie_settings::store::FOLDER_ON_STATE)
            .join(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(name);
        let read = self.0.read(&path.to_string_lossy(), MOST);
        read.map_err(io::Error::other)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        /// Far more than there ever are.
        const MOST_NAMES: usize = 1000;
        let folder = self.path("");
        let folder = folder.to_string_lossy();
        let entries = match self.0.volume.read_dir(folder.trim_end_matches('/')) {
            Ok(entries) => entries,
            Err(Ext4Error::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(io::Error::other(error)),
        };
        let names = entries.take(MOST_NAMES).map(|entry| {
            let entry = entry.map_err(io::Error::other)?;
            Ok(String::from_utf8_lossy(entry.file_name().as_ref()).into_owned())
        });
        names.collect()
    }

    fn make(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn write(&self, _name: &str, _content: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Err(read_only())
    }
}

fn read_only() -> io::Error {
    io::Error::new(
        io::ErrorKind::ReadOnlyFilesystem,
        "the volume is only looked at",
    )
}
