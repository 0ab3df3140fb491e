//! The first setup of the web interface, as long as it has not been done.
//!
//! Its one-time code makes whoever types it the first administrator. So it stands on this screen,
//! before anybody has logged in, **only where root has no password**: nobody can log in here then, and
//! whoever stands at the machine could make it theirs all the same, by recovery from the disk's own
//! menu. Where root has a password, whoever installed the appliance has claimed it: a passer-by, or
//! whoever reads a log of the serial line, must not get more by a look at the screen than they had, and
//! the code is in the menu, behind the log-in.

use serde_json::json;

use crate::broker::event;
use crate::messages::Messages;
use crate::status::Mode;
use crate::system::System;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setup {
    /// It was done, or nobody knows.
    Done,
    /// It waits, and its code is for who has logged in.
    Open,
    /// It waits, with this code.
    Code(String),
}

/// Asks how far it is, and for the code where it may be shown here.
pub fn look(system: &mut impl System, mode: Mode) -> Setup {
    if mode != Mode::Installed {
        return Setup::Done;
    }
    let shown = !system.root_has_password();
    state(system, None, shown)
}

/// How far it is; with its code where that is `wanted`.
pub fn state(system: &mut (impl System + ?Sized), token: Option<&str>, wanted: bool) -> Setup {
    let told = system.ask(token, &json!({"verb": "setup-state"}));
    let told = told.unwrap_or_default();
    if !event(&told, "setup").is_some_and(|state| state["open"] == true) {
        return Setup::Done;
    }
    let told = wanted.then(|| system.ask(token, &json!({"verb": "setup-code"})));
    let code = told.and_then(Result::ok).and_then(|told| {
        let code = event(&told, "code")?["code"].as_str()?;
        Some(code.to_owned())
    });
    code.map_or(Setup::Open, Setup::Code)
}

/// What is said of it; nothing once it is done.
pub fn lines(m: &Messages, setup: &Setup, addresses: &[String]) -> Vec<String> {
    let row = |name: &str, value: &str| format!("  {name:<11} {value}");
    let mut lines = match setup {
        Setup::Done => return Vec::new(),
        _ => vec![row(m.setup, m.setup_open)],
    };
    lines.extend(addresses.iter().map(|address| row("", &url(address))));
    lines.push(match setup {
        Setup::Code(code) => row("", &format!("{} {code}", m.setup_code)),
        _ => row("", m.setup_in_menu),
    });
    lines
}

/// The web interface at an address such as `enp1s0 192.168.1.10/24`.
fn url(address: &str) -> String {
    let address = address.rsplit(' ').next().unwrap_or_default();
    let host = address.split('/').next().unwrap_or_default();
    match host.contains(':') {
        true => format!("https://[{host}]/"),
        false => format!("https://{host}/"),
    }
}

#[cfg(test)]
mod tests {
    use vigie_settings::Language;

    use super::*;
    use crate::messages::messages;
    use crate::script::{Script, told};

    fn waiting(password: bool) -> Script {
        let mut script = Script::new(Mode::Installed);
        script.password = password;
        script.broker = vec![
            ("setup-state", told(r#"[{"event":"setup","open":true}]"#)),
            (
                "setup-code",
                told(r#"[{"event":"code","code":"ABCD-EFGH"}]"#),
            ),
        ];
        script
    }

    #[test]
    fn the_code_stands_there_only_where_nobody_can_log_in() {
        for (password, expected) in [
            (false, Setup::Code("ABCD-EFGH".to_owned())),
            (true, Setup::Open),
        ] {
            let mut script = waiting(password);
            assert_eq!(look(&mut &mut script, Mode::Installed), expected);
            let asked = script
                .asked
                .iter()
                .any(|asked| asked.contains("setup-code"));
            assert_eq!(asked, !password);
        }
        // The live system and recovery have no broker.
        let mut script = waiting(false);
        assert_eq!(look(&mut &mut script, Mode::Live), Setup::Done);
        assert_eq!(look(&mut &mut script, Mode::Recovery), Setup::Done);
        assert!(script.asked.is_empty());
        // It was done.
        script.broker = vec![("setup-state", told(r#"[{"event":"setup","open":false}]"#))];
        assert_eq!(look(&mut &mut script, Mode::Installed), Setup::Done);
        // A broker that does not answer.
        script.broker.clear();
        assert_eq!(look(&mut &mut script, Mode::Installed), Setup::Done);
    }

    #[test]
    fn where_it_is_done() {
        let m = messages(Language::En);
        let addresses = ["enp1s0 192.168.1.10/24", "enp1s0 fd00::1/64"].map(str::to_owned);
        let code = Setup::Code("ABCD-EFGH".to_owned());
        assert_eq!(
            lines(m, &code, &addresses),
            [
                "  First setup not done yet; do it at",
                "              https://192.168.1.10/",
                "              https://[fd00::1]/",
                "              with the code ABCD-EFGH",
            ]
        );
        let shown = lines(m, &Setup::Open, &addresses).concat();
        assert!(shown.contains("in the menu"), "{shown}");
        assert!(lines(m, &Setup::Done, &addresses).is_empty());
    }
}
