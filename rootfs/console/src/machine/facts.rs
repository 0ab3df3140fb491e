//! Facts that stand in files.

use std::fs;
use std::path::Path;

use crate::system::Line;

/// The value of `key` in a file of `KEY=value` lines; empty when there is none.
pub fn value_in(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// Whether a password opens root's account, by `/etc/shadow` (shadow(5)): `!` and `*` begin what no
/// password matches.
pub fn root_has_password(shadow: &str) -> bool {
    let root = shadow.lines().find_map(|line| line.strip_prefix("root:"));
    let hash = root.and_then(|rest| rest.split(':').next());
    hash.is_some_and(|hash| !hash.is_empty() && !hash.starts_with(['!', '*']))
}

/// Folders below the keymaps' are few; a loop of links must end.
const DEEPEST: usize = 4;

/// The names of the keymaps below a folder.
pub fn keymaps(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect_keymaps(folder, DEEPEST, &mut names);
    names
}

fn collect_keymaps(folder: &Path, depth: usize, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((keymap, _)) = name.split_once(".kmap") {
            names.push(keymap.to_owned());
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect_keymaps(&entry.path(), depth - 1, names);
        }
    }
}

/// The serial ports in a folder like `/sys/class/tty`: those on the board that have hardware behind
/// them (the kernel lists four in any case; `type` is 0 for what is not there), and converters on USB.
pub fn serial_lines(folder: &Path) -> Vec<Line> {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let consoles = text(&folder.join("console/active"));
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            let on_board = name.starts_with("ttyS")
                && !matches!(text(&folder.join(name).join("type")).trim(), "" | "0");
            on_board || name.starts_with("ttyUSB") || name.starts_with("ttyACM")
        })
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    let line = |name: String| Line {
        is_console: consoles.split_whitespace().any(|console| console == name),
        name,
    };
    names.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_password() {
        for (shadow, expected) in [
            ("root:$y$j9T$abc:19000:::::\n", true),
            ("root:!*:::::::\n", false),
            ("root:!$y$j9T$abc:::::::\n", false),
            ("root:*:::::::\n", false),
            ("root::::::::\n", false),
            ("rooty:$y$x:::::::\nroot:!*:::::::\n", false),
            ("daemon:*:1::::::\nroot:$6$x:::::::\n", true),
            ("", false),
        ] {
            assert_eq!(root_has_password(shadow), expected, "{shadow}");
        }
    }

    #[test]
    fn keymaps_and_serial_ports() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        for (path, text) in [
            ("maps/i386/azerty/fr-latin9.kmap.gz", ""),
            ("maps/i386/qwerty/us.kmap", ""),
            ("maps/i386/include/accents.inc", ""),
            ("tty/console/active", "tty0 ttyS0\n"),
            ("tty/ttyS0/type", "4\n"),
            ("tty/ttyS1/type", "4\n"),
            ("tty/ttyS10/type", "4\n"),
            ("tty/ttyS2/type", "0\n"),
            ("tty/ttyUSB0/dev", "188:0\n"),
            ("tty/tty1/dev", "4:1\n"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        let mut found = keymaps(&root.join("maps"));
        found.sort_unstable();
        assert_eq!(found, ["fr-latin9", "us"]);
        let lines = serial_lines(&root.join("tty"));
        let lines: Vec<_> = lines
            .iter()
            .map(|line| (&*line.name, line.is_console))
            .collect();
        let expected = [
            ("ttyS0", true),
            ("ttyS1", false),
            ("ttyS10", false),
            ("ttyUSB0", false),
        ];
        assert_eq!(lines, expected);
        assert!(serial_lines(&root.join("absent")).is_empty());
    }
}
