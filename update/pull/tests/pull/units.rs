//! The units, the settings and the programs call the same things by the same names.

use std::path::Path;

use vigie_settings::render::{AUTOMATIC, PULL, render};
use vigie_settings::{Settings, Update};
use vigie_update::pulled;

fn overlay(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rootfs/overlay/usr/lib");
    std::fs::read_to_string(path.join(name)).unwrap()
}

pub fn unit(name: &str) -> String {
    overlay(&format!("systemd/system/{name}"))
}

fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "{line} is not in\n{text}"
    );
}

#[test]
fn units_name_what_is_there() {
    let service = unit("vigie-pull@.service");
    has(&service, &format!("ConditionPathExists=/{PULL}"));
    has(&service, &format!("LoadCredential=settings:/{PULL}"));
    let state = pulled::FOLDER.strip_prefix("/var/lib/").unwrap();
    has(&service, &format!("StateDirectory={state}"));
    has(&service, "OnSuccess=vigie-auto-update.service");
    has(
        &unit("vigie-pull@check.service.d/10-short.conf"),
        "TimeoutStartSec=3min",
    );
    has(&service, "Requires=vigie-situation.service");
    let situation = unit("vigie-situation.service");
    has(&situation, &format!("ConditionPathExists=/{PULL}"));
    // The filter of a unit's devices holds for its `+` lines as well.
    has(&situation, "DeviceAllow=block-* r");
    assert!(!service.contains("=+"), "{service}");
    has(&unit("vigie-pull.timer"), "Unit=vigie-pull@timer.service");
    for name in ["vigie-auto-update.service", "vigie-auto-update.timer"] {
        has(&unit(name), &format!("ConditionPathExists=/{AUTOMATIC}"));
    }
    let presets = overlay("systemd/system-preset/10-vigie.preset");
    has(&presets, "enable vigie-pull.timer");
    has(&presets, "enable vigie-auto-update.timer");
    assert!(overlay("sysusers.d/vigie.conf").contains("u! vigie-pull "));
    let fleet = "version = 1\n[update.hawkbit]\nurl = \"https://a.example/\"\ntenant = \"T\"\n\
                 token = \"0123456789\"\n";
    let entries = render(&Settings::from_text(fleet).unwrap(), "");
    let named = |path: &str| entries.iter().any(|entry| entry.path == path);
    assert!(named("etc/systemd/system/vigie-pull.timer.d/10-vigie.conf"));
}

#[test]
fn what_is_rendered_is_what_the_program_reads() {
    let text = "version = 1\n[update]\nsource = \"https://a.example/\"\nautomatic = \"install\"\n\
                window = \"02:00-04:00\"\nlicence_major = 3\n";
    let settings = Settings::from_text(text).unwrap();
    let entries = render(&settings, "");
    let entry = entries.iter().find(|entry| entry.path == PULL).unwrap();
    let vigie_settings::render::Kind::File { mode, content } = &entry.kind else {
        panic!("{entry:?}")
    };
    assert_eq!(*mode, 0o600);
    let read: Update = vigie_settings::read_toml(content).unwrap();
    assert_eq!(read.source, settings.update.source);
    assert_eq!(read.automatic, settings.update.automatic);
}
