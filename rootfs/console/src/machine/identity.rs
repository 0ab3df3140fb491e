//! What tells this machine from others, written down for programs that may not read it themselves: the
//! web interface. Serial numbers are root's to read.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use vigie_machine::Machine;

/// Writes it into a file, whole or not at all; who may read it is told by the umask.
///
/// # Errors
/// The file cannot be written.
pub fn write(machine: &Machine, file: &Path) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let written = fs::write(&new, format!("{}\n", told(machine)));
    written.with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, file).with_context(|| format!("writing {}", file.display()))
}

fn told(machine: &Machine) -> Value {
    json!({
        "vendor": machine.dmi.vendor,
        "product": machine.dmi.product,
        "serial": machine.dmi.serial,
        "signature": machine.signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_whole_and_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("machine.json");
        let machine = Machine::this();
        for _ in 0..2 {
            write(&machine, &file).expect("written");
            let text = fs::read_to_string(&file).expect("read");
            let read: Value = serde_json::from_str(&text).expect("JSON");
            let names: Vec<_> = read.as_object().expect("fields").keys().collect();
            assert_eq!(names, ["product", "serial", "signature", "vendor"]);
            assert_eq!(read["vendor"].as_str(), machine.dmi.vendor.as_deref());
        }
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 1);
        assert!(write(&machine, &folder.path().join("none/machine.json")).is_err());
    }
}
