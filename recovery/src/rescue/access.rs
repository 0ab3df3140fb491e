//! Opens rescue access and closes it again: the hash, sshd's drop-in, sshd anew. The processes behind
//! it are a [`System`], which tests replace.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use vigie_settings::PasswordHash;

use super::door::{GUEST, Guest, KEY, Key, LOCK};
use super::network::{self, Network};
use crate::message::{Failed, Message};

/// Where the hash is: root's, in memory.
pub const FOLDER: &str = "/run/vigie/rescue";
/// Before `10-vigie-access.conf`, as sshd takes the first value of each keyword.
pub const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-vigie-rescue.conf";
/// How PAM is asked; `rootfs/overlay/etc/pam.d` has it.
pub const SERVICE: &str = "vigie-rescue";

/// What is done to sshd, and asked of the machine.
pub trait System {
    /// The fingerprint of sshd's host key, which is made where there is none.
    ///
    /// # Errors
    /// It cannot be made or read.
    fn host_key(&mut self) -> Result<String>;
    /// The addresses of the machine that others reach; may be none.
    fn addresses(&mut self) -> Vec<String>;
    /// sshd reads its configuration before it hears the next one. Sessions go on.
    ///
    /// # Errors
    /// It could not be told.
    fn read_anew(&mut self) -> Result<()>;
    /// The network is set up anew from its files.
    ///
    /// # Errors
    /// It could not be told.
    fn network_anew(&mut self) -> Result<()>;
    /// Ends all sessions over SSH. sshd starts again with the next connection.
    ///
    /// # Errors
    /// They could not be ended.
    fn end_sessions(&mut self) -> Result<()>;
}

/// Where files are put; tests have their own places.
#[derive(Clone, Debug)]
pub struct Places {
    /// See [`FOLDER`].
    pub folder: PathBuf,
    /// See [`DROP_IN`].
    pub drop_in: PathBuf,
    /// See [`network::FILE`].
    pub network: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            folder: FOLDER.into(),
            drop_in: DROP_IN.into(),
            network: network::FILE.into(),
        }
    }
}

/// Open access. It is closed when this goes, also on an error.
pub struct Access<'a> {
    places: Places,
    system: &'a mut dyn System,
    open: bool,
    _lock: File,
}

impl<'a> Access<'a> {
    /// Opens it for the password with this hash, until then (seconds since the machine's start); with an
    /// address of its own where one is given.
    ///
    /// # Errors
    /// It is open already; sshd cannot be told. It is closed then.
    pub fn open(
        places: Places,
        hash: &PasswordHash,
        until: u64,
        network: Option<&Network>,
        system: &'a mut dyn System,
    ) -> Result<Self> {
        let lock = lock(&places.folder)?;
        let mut access = Self {
            places,
            system,
            open: true,
            _lock: lock,
        };
        access.forget()?;
        access.no_address()?;
        if let Some(network) = network {
            access.give_address(network)?;
        }
        let hash = hash.as_str().to_owned();
        let key = serde_json::to_string(&Key { hash, until })?;
        put(&access.places.folder.join(KEY), &key, 0o600)?;
        put(&access.places.drop_in, &drop_in(), 0o644)?;
        access.system.read_anew()?;
        Ok(access)
    }

    /// Who has come in.
    #[must_use]
    pub fn guest(&self) -> Option<Guest> {
        let text = fs::read(self.places.folder.join(GUEST)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The addresses of the machine.
    pub fn addresses(&mut self) -> Vec<String> {
        self.system.addresses()
    }

    /// Closes it: the password opens nothing any more, sessions are ended, sshd is as before. Who had come in.
    ///
    /// # Errors
    /// What could not be undone; the rest is.
    pub fn close(mut self) -> Result<Option<Guest>> {
        // Nobody comes in any more without it. Where it does not go, that is told below.
        let _ = fs::remove_file(self.places.folder.join(KEY));
        let guest = self.guest();
        self.undo().and(Ok(guest))
    }

    /// Everything is tried, whatever fails.
    fn undo(&mut self) -> Result<()> {
        self.open = false;
        let forgotten = self.forget();
        let ended = self.system.end_sessions();
        forgotten.and(ended).and(self.no_address())
    }

    fn give_address(&mut self, network: &Network) -> Result<()> {
        let path = &self.places.network;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        // systemd-networkd is no root, and reads it.
        put(path, &network.file(), 0o644)?;
        self.system.network_anew()
    }

    /// The address goes, also that of one who was killed.
    fn no_address(&mut self) -> Result<()> {
        let path = &self.places.network;
        match fs::remove_file(path) {
            Ok(()) => self.system.network_anew(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(anyhow!("removing {}: {error}", path.display())),
        }
    }

    /// The hash first, which alone opens anything.
    fn forget(&self) -> Result<()> {
        let folder = &self.places.folder;
        let files = [
            folder.join(KEY),
            folder.join(GUEST),
            self.places.drop_in.clone(),
        ];
        let mut outcome = Ok(());
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    outcome = Err(anyhow!("removing {}: {error}", file.display()));
                }
                _ => {}
            }
        }
        outcome
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.undo()
        {
            eprintln!("vigie-recovery: {error:#}");
        }
    }
}

/// Takes the lock; one who was killed has let go of it.
fn lock(folder: &Path) -> Result<File> {
    let doing = || format!("preparing {}", folder.display());
    fs::create_dir_all(folder).with_context(doing)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).with_context(doing)?;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(folder.join(LOCK)).with_context(doing)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failed(Message::new("rescue.already")).into()),
        Err(TryLockError::Error(error)) => Err(error).with_context(doing),
    }
}

fn put(path: &Path, text: &str, mode: u32) -> Result<()> {
    let write = || {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(mode);
        options.open(path)?.write_all(text.as_bytes())
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// sshd asks the door alone: no key and no other password lets anybody in meanwhile.
fn drop_in() -> String {
    format!(
        "# Rescue access is open: written, and removed again, by vigie-recovery.\n\
         PermitRootLogin yes\n\
         PasswordAuthentication yes\n\
         PubkeyAuthentication no\n\
         AuthenticationMethods password\n\
         PAMServiceName {SERVICE}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rescue::door::admit;
    use crate::rescue::password::plain;
    use vigie_installer::screen::live::hash;

    #[derive(Default)]
    struct Told {
        done: Vec<&'static str>,
        fails: bool,
    }

    impl Told {
        fn note(&mut self, what: &'static str) -> Result<()> {
            self.done.push(what);
            match self.fails {
                true => Err(anyhow!("no systemd")),
                false => Ok(()),
            }
        }
    }

    impl System for Told {
        fn host_key(&mut self) -> Result<String> {
            Ok("SHA256:x".to_owned())
        }
        fn addresses(&mut self) -> Vec<String> {
            Vec::new()
        }
        fn read_anew(&mut self) -> Result<()> {
            self.note("read anew")
        }
        fn end_sessions(&mut self) -> Result<()> {
            self.note("end sessions")
        }
        fn network_anew(&mut self) -> Result<()> {
            self.note("network anew")
        }
    }

    fn places(dir: &Path) -> Places {
        fs::create_dir_all(dir.join("sshd_config.d")).unwrap();
        Places {
            folder: dir.join("rescue"),
            drop_in: dir.join("sshd_config.d/00-vigie-rescue.conf"),
            network: dir.join("network/00-vigie-rescue.network"),
        }
    }

    fn files(places: &Places) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&places.folder)
            .unwrap()
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_opens_for_one_and_closes_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let hash = hash(&plain("lusab-babad")).unwrap();
        // What one who was killed has left.
        fs::write(&places.drop_in, "old").unwrap();
        let mut system = Told::default();
        let access = Access::open(places.clone(), &hash, 100, None, &mut system).unwrap();
        let text = fs::read_to_string(&places.drop_in).unwrap();
        assert!(text.contains("PAMServiceName vigie-rescue\n") && !text.contains("$y$"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&places.folder), 0o700);
        assert_eq!(mode(&places.folder.join(KEY)), 0o600);
        assert_eq!(access.guest(), None);
        let admit = || admit(&places.folder, 5, "root", "192.0.2.7", "lusabbabad");
        // A second person is told; the first one's access stays.
        let mut other = Told::default();
        let again = Access::open(places.clone(), &hash, 100, None, &mut other).err();
        assert!(again.unwrap().to_string().contains("open already"));
        assert!(other.done.is_empty());
        admit().unwrap();
        assert_eq!(access.guest().unwrap().from, "192.0.2.7");
        assert!(admit().is_err());
        let guest = access.close().unwrap();
        assert_eq!(guest.unwrap().from, "192.0.2.7");
        assert_eq!(system.done, ["read anew", "end sessions"]);
        assert_eq!(files(&places), ["lock"]);
        assert!(!places.drop_in.exists());
        assert!(admit().is_err());
    }

    #[test]
    fn a_fixed_address_goes_with_the_access() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let hash = hash(&plain("lusab-babad")).unwrap();
        let network = Network::new("192.0.2.10/24".parse().unwrap(), None).unwrap();
        let mut system = Told::default();
        let open = Access::open(places.clone(), &hash, 100, Some(&network), &mut system);
        let access = open.unwrap();
        let text = fs::read_to_string(&places.network).unwrap();
        assert!(text.contains("Address=192.0.2.10/24"), "{text}");
        let mode = fs::metadata(&places.network).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        access.close().unwrap();
        assert!(!places.network.exists());
        let expected = ["network anew", "read anew", "end sessions", "network anew"];
        assert_eq!(system.done, expected);
        // That of one who was killed goes, too.
        fs::write(&places.network, "old").unwrap();
        let mut system = Told::default();
        drop(Access::open(places.clone(), &hash, 100, None, &mut system).unwrap());
        assert!(!places.network.exists());
        assert_eq!(system.done, ["network anew", "read anew", "end sessions"]);
    }

    #[test]
    fn what_fails_leaves_nothing_open() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let hash = hash(&plain("lusab-babad")).unwrap();
        let mut system = Told {
            fails: true,
            ..Told::default()
        };
        let error = Access::open(places.clone(), &hash, 100, None, &mut system).err();
        assert_eq!(error.unwrap().to_string(), "no systemd");
        assert_eq!(system.done, ["read anew", "end sessions"]);
        assert_eq!(files(&places), ["lock"]);
        assert!(!places.drop_in.exists());
    }

    /// The image's file names this program and this door.
    #[test]
    fn pam_of_the_image_asks_the_door() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../rootfs/overlay/etc/pam.d/vigie-rescue"
        );
        assert!(file.ends_with(SERVICE));
        let text = fs::read_to_string(file).unwrap();
        let auth: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("auth"))
            .collect();
        let [auth] = auth[..] else { panic!("{text}") };
        let words: Vec<&str> = auth.split_whitespace().collect();
        let expected =
            "auth required pam_exec.so quiet expose_authtok /usr/bin/vigie-recovery door";
        assert_eq!(words.join(" "), expected);
    }
}
