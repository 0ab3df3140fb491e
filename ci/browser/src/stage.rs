//! An unpacked package set → a Chromium that runs from it, whoever the user and whatever the host.
//!
//! Its programs are run by their own loader, which is then what `/proc/self/exe` names. Chromium
//! looks for its files beside that, so a copy of the loader lies in a folder among links to them;
//! and it starts its children by that name, so it is told a script to start them by.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Where the programs of a set lie ready.
pub struct Stage {
    set: PathBuf,
    folder: PathBuf,
}

impl Stage {
    /// Makes `folder` ready for the programs of `set`.
    ///
    /// # Errors
    /// No such set, or the folder cannot be written.
    pub fn new(set: &Path, folder: &Path) -> Result<Stage> {
        let stage = Stage {
            set: set.to_owned(),
            folder: folder.join("stage"),
        };
        fs::create_dir(&stage.folder)
            .with_context(|| format!("making {}", stage.folder.display()))?;
        stage.link_files()?;
        fs::copy(set.join("usr/lib64/ld-linux-x86-64.so.2"), stage.loader())
            .context("copying the loader of the browser's packages")?;
        fs::write(stage.fonts(), stage.font_settings())?;
        let script = format!(
            "#!/bin/sh\nexec {} \"$@\"\n",
            stage.line("usr/lib/chromium/chromium")
        );
        fs::write(stage.chromium(), script)?;
        fs::set_permissions(stage.chromium(), PermissionsExt::from_mode(0o755))?;
        Ok(stage)
    }

    fn link_files(&self) -> Result<()> {
        let files = self.set.join("usr/lib/chromium");
        let entries =
            fs::read_dir(&files).with_context(|| format!("reading {}", files.display()))?;
        for entry in entries {
            let entry = entry?;
            symlink(entry.path(), self.folder.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn loader(&self) -> PathBuf {
        self.folder.join("loader")
    }

    fn fonts(&self) -> PathBuf {
        self.folder.join("fonts.conf")
    }

    /// The script that starts Chromium.
    pub fn chromium(&self) -> PathBuf {
        self.folder.join("start-chromium")
    }

    /// The driver, ready for its arguments; it and what it starts have `home` to write in, and live
    /// in the command's group until its standard input, a pipe, is closed.
    pub fn driver(&self, home: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        let line = self.line("usr/bin/chromedriver");
        command
            .args(["-c", &leashed(&line), "chromedriver"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("FONTCONFIG_FILE", self.fonts())
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:");
        command
    }

    /// A program of the set in the words of the shell.
    fn line(&self, program: &str) -> String {
        let lib = self.set.join("usr/lib/x86_64-linux-gnu");
        let words = [
            self.loader().display().to_string(),
            "--library-path".to_owned(),
            format!("{0}:{0}/pulseaudio", lib.display()),
            self.set.join(program).display().to_string(),
        ];
        words.map(|word| quote(&word)).join(" ")
    }

    fn font_settings(&self) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<fontconfig>\n<dir>{}</dir>\n<cachedir>{}</cachedir>\n</fontconfig>\n",
            self.set.join("usr/share/fonts").display(),
            self.folder.join("fonts").display()
        )
    }
}

/// A script that runs a line with its arguments, and kills its own group when nobody holds the other
/// end of its standard input any more: whoever did may have been killed.
fn leashed(line: &str) -> String {
    format!("{line} \"$@\" & exec >&-; read -r never; kill -s KILL 0")
}

/// A word that the shell takes as it is.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn what_is_started_ends_with_the_pipe() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &leashed("sleep"), "sleep", "1000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        // Nobody is left who could write.
        let mut said = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(said, "");
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(quote("/a b/it's"), "'/a b/it'\\''s'");
    }
}
