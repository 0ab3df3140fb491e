//! What a repair put into lost+found, listed by debugfs without a mount.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use vigie_disk::Bytes;
use vigie_installer::toolbox::{Run, Toolbox};

/// The repair has just read all of it: where it takes longer the disk does not answer.
const LIMIT: Duration = Duration::from_secs(240);
/// So many are named in a report.
const NAMED: usize = 500;

/// A file or folder that lost its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostFile {
    /// Its name there, by its inode: "#12".
    pub name: String,
    /// Its size; none for what is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
}

/// What is in lost+found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostFound {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub files: Vec<LostFile>,
    /// Why it could not be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Lists the folder. `-c` leaves the bitmaps unread, which takes long on large volumes.
pub fn list(tools: &dyn Toolbox, volume: &Path) -> LostFound {
    let doing = format!("listing lost+found of {}", volume.display());
    let output = Run::new(tools, "debugfs", &doing)
        .args(["-c", "-R", "ls -p /lost+found"])
        .arg(volume)
        .output_within(LIMIT);
    match output {
        Ok(output) => parse(&String::from_utf8_lossy(&output)),
        Err(error) => LostFound {
            error: Some(format!("{error:#}")),
            ..LostFound::default()
        },
    }
}

/// Lines of `ls -p`: /inode/mode/uid/gid/name/size/ (debugfs(8)); the size of a folder is empty.
fn parse(text: &str) -> LostFound {
    let files = text.lines().filter_map(file);
    let mut found = LostFound::default();
    for file in files {
        found.count += 1;
        if found.files.len() < NAMED {
            found.files.push(file);
        }
    }
    found
}

fn file(line: &str) -> Option<LostFile> {
    let fields: Vec<&str> = line.trim_end().split('/').collect();
    let ["", inode, _mode, _user, _group, name, size, ""] = fields[..] else {
        return None;
    };
    if matches!(name, "." | ".." | "") || inode.parse::<u32>().unwrap_or(0) == 0 {
        return None;
    }
    Some(LostFile {
        name: name.chars().filter(|c| !c.is_control()).collect(),
        size: size.parse().ok().map(Bytes::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debugfs_lists_is_read() {
        let text = "/11/040700/0/0/.//\n/2/040755/0/0/..//\n/0/000000/0/0//0/\n\
                    /12/100644/0/0/#12/1234/\n/13/040755/0/0/#13//\nnoise\n//////\n";
        let found = parse(text);
        let file = |name: &str, size| LostFile {
            name: name.to_owned(),
            size,
        };
        let expected = [file("#12", Some(Bytes::new(1234))), file("#13", None)];
        assert_eq!((found.count, &found.files[..]), (2, &expected[..]));
        let many: String = (1..=1000)
            .map(|at| format!("/{at}/100644/0/0/#{at}/1/\n"))
            .collect();
        let found = parse(&many);
        assert_eq!((found.count, found.files.len()), (1000, NAMED));
    }
}
