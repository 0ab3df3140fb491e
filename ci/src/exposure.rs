//! How well the services of ours are shut in: `systemd-analyze security` gives each at most 2.5 of 10,
//! but for those that a table of `rootfs/overlay/README.md` names, with what they are given at most and
//! why.

use anyhow::{Context as _, Result, ensure};

/// The table, below the root of the repository.
pub const FILE: &str = "rootfs/overlay/README.md";

/// Tenths that a service is given at most.
pub const MOST: u32 = 25;

/// A service that its job does not let be shut in as the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The unit, without `.service`.
    pub unit: String,
    /// Tenths that it is given at most.
    pub most: u32,
}

/// The exceptions of the table.
///
/// # Errors
/// A line of it is not understood, or gives no reason.
pub fn exceptions(text: &str) -> Result<Vec<Exception>> {
    let (_, table) = text
        .split_once("| unit | at most | why |\n")
        .context("the table of exceptions is not there")?;
    let lines = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [unit, most, why] = *cells else {
                anyhow::bail!("not a line of the exceptions: {line}");
            };
            ensure!(why.len() > 20, "no reason is given: {line}");
            let most: Option<u32> = most
                .split_once('.')
                .and_then(|(whole, tenth)| format!("{whole}{tenth}").parse().ok());
            Ok(Exception {
                unit: unit.trim_matches('`').to_owned(),
                most: most.with_context(|| format!("no figure with one decimal: {line}"))?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    fn table() -> Vec<Exception> {
        exceptions(&std::fs::read_to_string(root().join(FILE)).unwrap()).unwrap()
    }

    /// The services of ours.
    fn services() -> Vec<PathBuf> {
        let folder = root().join("rootfs/overlay/usr/lib/systemd/system");
        let paths = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = paths
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with("vigie-") && name.ends_with(".service") && !path.is_symlink()
            })
            .collect();
        paths.sort();
        assert!(paths.len() > 10);
        paths
    }

    fn name(service: &Path) -> String {
        service.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// Whether a service is given so many tenths at most, and what was said of it.
    fn within(tools: &Path, service: &Path, most: u32) -> (bool, String) {
        let libraries = tools.join("usr/lib/x86_64-linux-gnu");
        let mut analyze = Command::new(tools.join("usr/lib64/ld-linux-x86-64.so.2"));
        analyze
            .arg("--library-path")
            .arg(format!("{0}:{0}/systemd", libraries.display()))
            .arg(tools.join("usr/bin/systemd-analyze"))
            .args(["security", "--offline=yes", "--no-pager"])
            .arg(format!("--threshold={most}"))
            .arg(service)
            .env("LC_ALL", "C.UTF-8");
        let output = analyze.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Overall exposure level"), "{said}\n{failed}");
        (output.status.success(), said)
    }

    #[test]
    fn each_service_is_shut_in() {
        let Some(tools) = std::env::var_os("VIGIE_TOOLS_DIR").map(PathBuf::from) else {
            println!("skipped: VIGIE_TOOLS_DIR is not set");
            return;
        };
        let table = table();
        for service in services() {
            let unit = name(&service);
            let exception = table.iter().find(|exception| exception.unit == unit);
            let most = exception.map_or(MOST, |exception| exception.most);
            let (good, said) = within(&tools, &service, most);
            assert!(good, "{unit} is given more than {most} tenths:\n{said}");
            if exception.is_some() {
                // The figure follows what was reached.
                let (better, _) = within(&tools, &service, most - 1);
                assert!(!better, "{unit} is better than {FILE} says");
                assert!(most > MOST, "{unit} needs no exception any more");
            }
        }
    }

    #[test]
    fn the_exceptions_are_units_and_each_has_a_reason() {
        let units: Vec<String> = services().iter().map(|service| name(service)).collect();
        for exception in table() {
            assert!(units.contains(&exception.unit), "{}", exception.unit);
        }
        let head = "x\n| unit | at most | why |\n|---|---|---|\n";
        let one = "| `a@` | 9.4 | it is a log-in and a shell of root |\n";
        let read = exceptions(&format!("{head}{one}\n| b | 1 |\n")).unwrap();
        let expected = Exception {
            unit: "a@".into(),
            most: 94,
        };
        assert_eq!(read, [expected]);
        for bad in [
            "| `a` | 9.4 | so |\n",
            "| `a` | nine | it is a log-in and a shell of root |\n",
            "| `a` | 9.4 |\n",
        ] {
            assert!(exceptions(&format!("{head}{bad}")).is_err(), "{bad}");
        }
        assert!(exceptions("").is_err());
    }
}
