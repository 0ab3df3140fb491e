//! A folder of the kernel's tree of devices, as what is in it is read (Documentation/filesystems/sysfs.rst).

use std::fs;
use std::path::Path;

/// What is in a folder, by name; nothing where it is not there.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// What a file says, without the end of its line; none where it says nothing.
pub fn attribute(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_says() {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in [("b", " 7 \n"), ("a", "\n")] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        assert_eq!(names(folder.path()), ["a", "b"]);
        let told = |name: &str| attribute(&folder.path().join(name));
        assert_eq!((told("a"), told("b")), (None, Some("7".to_owned())));
        assert_eq!(told("c"), None);
        assert!(names(&folder.path().join("c")).is_empty());
    }
}
