//! The machine's own screen and keyboard, as the kernel has them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use vigie_settings::Keymap;

const KEYMAPS: &str = "/usr/share/keymaps";
/// Folders below the keymaps' are few; a loop of links must end.
const DEEPEST: usize = 4;

/// Whether standard input is a virtual console: /dev/tty and a number.
pub fn is_text_console() -> bool {
    let terminal = fs::read_link("/proc/self/fd/0").unwrap_or_default();
    let name = terminal.to_string_lossy();
    name.strip_prefix("/dev/tty")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The names of the keymaps in the image.
pub fn keymaps() -> Vec<String> {
    let mut names = Vec::new();
    collect_keymaps(Path::new(KEYMAPS), DEEPEST, &mut names);
    names
}

/// Loads a keymap on the text console of standard input.
///
/// # Errors
/// loadkeys cannot be started, or refuses it.
pub fn load_keymap(keymap: &Keymap) -> Result<()> {
    // As systemd-vconsole-setup calls it: the console is in UTF-8 mode.
    let output = Command::new("loadkeys")
        .args(["-q", "-u", keymap.as_str()])
        .stdin(Stdio::inherit())
        .output()
        .context("starting loadkeys")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("loadkeys {keymap}: {} ({})", said.trim(), output.status);
    }
    Ok(())
}

fn collect_keymaps(folder: &Path, depth: usize, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((name, _)) = name.split_once(".kmap") {
            names.push(name.to_owned());
        } else if depth > 0 && entry.path().is_dir() {
            collect_keymaps(&entry.path(), depth - 1, names);
        }
    }
}
