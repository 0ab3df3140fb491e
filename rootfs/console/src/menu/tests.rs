//! A person's way through the menu: what they type, what they see, and what is asked for.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::script::{Answer as Told, Script, refused, told};
use crate::status::Mode;

const SETTINGS: &str = r#"[{"event":"settings","generation":7,"settings":{
    "version":3,
    "system":{"hostname":"nvr-hall","timezone":"Europe/Paris","language":"en","keymap":"us"},
    "network":{"enterprise":{"address":"192.168.1.10/24","gateway":"192.168.1.1","dns":["192.168.1.1"]}},
    "time":{},
    "access":{"root_password_hash":"(set)"}}}]"#;
const USERS: &str = r#"[{"event":"user","name":"anne","role":"administrator"},{"event":"user","name":"j.martin","role":"viewer"}]"#;
const LINES: &str = r#"[{"event":"line","text":"one"},{"event":"line","text":"two"},{"event":"line","text":"three\u001b[2J"},
    {"event":"line","text":"four"},{"event":"line","text":"five"},{"event":"line","text":"six"},
    {"event":"line","text":"seven"},{"event":"line","text":"eight"},{"event":"line","text":"nine"}]"#;

/// A broker that does what it is asked.
fn broker() -> Vec<Told> {
    vec![
        ("settings-get", told(SETTINGS)),
        ("settings-check", told("[]")),
        (
            "settings-set",
            told(r#"[{"event":"saved","generation":8,"trial":null,"after_restart":[]}]"#),
        ),
        ("network-trial", told(r#"[{"event":"trial","left":null}]"#)),
        ("network-confirm", told("[]")),
        ("network-revert", told("[]")),
        ("users", told(USERS)),
        ("user-change", told("[]")),
        ("set-password", told("[]")),
        (
            "check-at-boot-state",
            told(r#"[{"event":"check","on":false}]"#),
        ),
        ("check-at-boot", told("[]")),
        ("logs", told(LINES)),
        (
            "audit",
            told(
                r#"[{"event":"record","time":1796038341,"who":"anne","from":"192.0.2.7","action":"set-password","about":"service","ended":"done"}]"#,
            ),
        ),
        (
            "support-bundle",
            told(
                r#"[{"event":"file","name":"support.tar.gz"},{"event":"chunk","data":"YWI="},{"event":"chunk","data":"Yw=="}]"#,
            ),
        ),
        (
            "session",
            told(r#"[{"event":"session","user":"anne","role":"administrator"}]"#),
        ),
        ("restart", told(r#"[{"event":"going"}]"#)),
        ("power-off", told(r#"[{"event":"going"}]"#)),
        ("log-out", told("[]")),
    ]
}

fn script(keys: &str) -> Script {
    let mut script = Script::new(Mode::Installed);
    script.broker = broker();
    script.types(keys);
    script
}

/// Replaces the answers to a verb.
fn answers(script: &mut Script, verb: &'static str, answer: Result<Vec<Value>, Trouble>) {
    script.broker.retain(|(known, _)| *known != verb);
    script.broker.push((verb, answer));
}

fn walk(script: &mut Script, language: Language, who: Who) -> Option<Ended> {
    match run(&mut &mut *script, language, who) {
        Ok(ended) => Some(ended),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            None
        }
    }
}

/// What was asked for, without what is asked for on each page.
fn changes(script: &Script) -> Vec<&str> {
    let looks = [
        "settings-get",
        "setup-state",
        "network-trial",
        "check-at-boot-state",
        r#""users""#,
    ];
    let asked = script.asked.iter().map(String::as_str);
    asked
        .filter(|asked| !looks.iter().any(|look| asked.contains(look)))
        .map(|asked| asked.strip_prefix("broker - ").unwrap_or(asked))
        .collect()
}

/// `tests/golden/menu/NAME.txt`; `VIGIE_BLESS=1` writes them.
#[test]
fn screens() {
    use Language::{En, Fr};
    for (name, language, capable, keys) in [
        ("plain", En, false, "1\n3\n\n7\n"),
        ("plain-fr", Fr, false, "3\n\n6\n<\n7\n"),
        (
            "network",
            En,
            false,
            "2\n1\n2\n192.168.1.11\n192.168.1.11/24\n\n-\n2\n\n<\n7\n",
        ),
        ("network-fr", Fr, false, "2\n5\n2\n2\n\n<\n7\n"),
        ("logs-fr", Fr, false, "4\n4\n1\n1\n2\n3\n4\n3\n<\n<\n7\n"),
        ("licence", En, false, "4\n6\n\n7\n2\n\n<\n7\n"),
        (
            "capable",
            En,
            true,
            "2\r\x1b~\x1b[B\x1b[B\r\x1b[B\x1b[B\r\x1b~\x1b~7\r",
        ),
        ("capable-fr", Fr, true, "4\r6\rx\x1b~5\r2\r2\rx\x1b~7\r"),
    ] {
        let mut script = script(keys);
        script.capable = capable;
        walk(&mut script, language, Who::root());
        let screen = script.screen();
        assert!(
            capable || !screen.contains('\x1b'),
            "{name}: an escape sequence"
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/menu");
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&file, &screen).expect("written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(screen, expected, "{}", file.display());
    }
}

#[test]
fn what_each_page_asks_for() {
    let set =
        |changes: &str| format!(r#"{{"changes":{changes},"generation":7,"verb":"settings-set"}}"#);
    let check = |changes: &str| format!(r#"{{"changes":{changes},"verb":"settings-check"}}"#);
    let both = |changes: &str| vec![check(changes), set(changes)];
    let one = |request: &str| vec![request.to_owned()];
    let cameras = r#"[{"path":"network.cameras.address","value":"10.0.0.1/24"},{"path":"network.cameras.mac","value":"52:54:00:12:34:57"}]"#;
    let by_dhcp = r#"[{"path":"network.enterprise.address","value":null},{"path":"network.enterprise.gateway","value":null}]"#;
    for (keys, expected) in [
        // Network: the enterprise's by DHCP; the cameras' on its own port; name; time; routing.
        ("2\n1\n1\n\n2\n\n", both(by_dhcp)),
        ("2\n2\n2\n10.0.0.1/24\n2\n2\n\n", both(cameras)),
        (
            "2\n3\nhall-2\n2\n\n",
            both(r#"[{"path":"system.hostname","value":"hall-2"}]"#),
        ),
        (
            "2\n4\nntp.example.org 192.0.2.1\n2\n\n",
            both(r#"[{"path":"time.ntp","value":["ntp.example.org","192.0.2.1"]}]"#),
        ),
        (
            "2\n5\n2\n2\n\n",
            both(r#"[{"path":"network.routing","value":true}]"#),
        ),
        // Nothing differs, or the person goes back at the last question.
        ("2\n3\n\n\n", vec![]),
        (
            "2\n3\nhall-2\n1\n",
            one(&check(r#"[{"path":"system.hostname","value":"hall-2"}]"#)),
        ),
        ("2\n3\n<\n2\n1\n<\n", vec![]),
        // One question back, and on with what was answered before.
        (
            "2\n1\n2\n192.168.1.11/24\n<\n\n\n\n2\n\n",
            both(r#"[{"path":"network.enterprise.address","value":"192.168.1.11/24"}]"#),
        ),
        (
            "2\n1\n2\n192.168.1.11/24\n\n<\n<\n<\n1\n\n2\n\n",
            both(by_dhcp),
        ),
        ("2\n2\n2\n10.0.0.1/24\n<\n\n2\n2\n\n", both(cameras)),
        ("2\n2\n2\n10.0.0.1/24\n<\n<\n1\n\n", vec![]),
        // Passwords; two that differ are none.
        (
            "4\n1\n1\ndix lamas\nonze\ndix lamas\ndix lamas\n\n",
            one(r#"{"account":"root","password":"dix lamas","verb":"set-password"}"#),
        ),
        (
            "4\n1\n2\ndix lamas\ndix lamas\n\n",
            one(r#"{"account":"service","password":"dix lamas","verb":"set-password"}"#),
        ),
        (
            "4\n1\n4\ndix lamas\ndix lamas\n\n",
            one(r#"{"name":"j.martin","password":"dix lamas","verb":"user-change"}"#),
        ),
        ("4\n1\n1\ndix lamas\n<\n<\n", vec![]),
        (
            "4\n1\n1\ndix lames\n<\ndix lamas\ndix lamas\n\n",
            one(r#"{"account":"root","password":"dix lamas","verb":"set-password"}"#),
        ),
        // Updates: one that is not accepted cannot be chosen.
        (
            "4\n2\n2\n1\n2\n\n1\n",
            one("/usr/bin/vigie-update --language en apply --who root (console) --id ab12"),
        ),
        (
            "4\n2\n3\nx.tgz\n/srv/x.tgz\n2\n\n2\n",
            vec![
                "/usr/bin/vigie-update --language en apply --who root (console) /srv/x.tgz"
                    .to_owned(),
                r#"{"verb":"restart"}"#.to_owned(),
            ],
        ),
        ("4\n2\n1\n1\n", vec![]),
        // Check, logs, serial terminal, bundle.
        ("4\n3\n2\n\n", one(r#"{"on":true,"verb":"check-at-boot"}"#)),
        ("4\n3\n1\n", vec![]),
        (
            "4\n4\n2\nssh.service\n3\n",
            one(r#"{"lines":500,"unit":"ssh.service","verb":"logs"}"#),
        ),
        (
            "4\n4\n3\n3\n",
            one(r#"{"lines":500,"log":"disconnections","verb":"logs"}"#),
        ),
        ("4\n5\n1\n2\n5\n", one("talk ttyS1 9600")),
        ("4\n5\n2\n<\n\n1\n", one("talk ttyS1 115200")),
        ("4\n5\n2\n<\n<\n", vec![]),
        (
            "4\n7\n2\n\n",
            vec![
                r#"{"verb":"support-bundle"}"#.to_owned(),
                "keep support.tar.gz abc".to_owned(),
            ],
        ),
        ("4\n7\n1\n", vec![]),
        // Language and keyboard.
        (
            "5\n1\n2\n\n",
            one(&set(r#"[{"path":"system.language","value":"fr"}]"#)),
        ),
        ("5\n1\n1\n", vec![]),
        (
            "5\n2\n2\n\n",
            one(&set(r#"[{"path":"system.keymap","value":"fr-latin9"}]"#)),
        ),
        // Power.
        ("6\n1\n1\n", vec![]),
        ("6\n1\n\n", vec![]),
        ("6\n2\n2\n", one(r#"{"verb":"power-off"}"#)),
    ] {
        let mut script = script(keys);
        walk(&mut script, Language::En, Who::root());
        assert_eq!(changes(&script), expected, "{keys:?}: {}", script.screen());
    }
}

#[test]
fn new_addresses_are_kept_only_by_whoever_says_so() {
    let trial = r#"[{"event":"saved","generation":7,"trial":60,"after_restart":[]}]"#;
    let change = "2\n1\n1\n\n2\n";
    for (answer, verb) in [
        ("1\n\n", Some("network-confirm")),
        ("2\n\n", Some("network-revert")),
        ("<\n", None),
        ("", None),
    ] {
        let mut script = script(&format!("{change}{answer}"));
        answers(&mut script, "settings-set", told(trial));
        walk(&mut script, Language::En, Who::root());
        let expected = verb.map(|verb| format!(r#"{{"verb":"{verb}"}}"#));
        let after: Vec<&str> = changes(&script).into_iter().skip(2).collect();
        assert_eq!(
            after,
            expected.iter().map(String::as_str).collect::<Vec<_>>()
        );
        assert!(script.screen().contains("60 s"), "{}", script.screen());
        // Enter out of impatience is no answer to what nobody has seen yet.
        assert_eq!(script.forgotten(), 1);
    }
    // Whoever was cut off comes back by the new address, and is asked first.
    let mut script = script("1\n\n7\n");
    answers(
        &mut script,
        "network-trial",
        told(r#"[{"event":"trial","left":41}]"#),
    );
    walk(&mut script, Language::En, Who::root());
    assert_eq!(changes(&script), [r#"{"verb":"network-confirm"}"#]);
    assert!(script.screen().contains("41 s"), "{}", script.screen());
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_saved() {
    let problem = r#"[{"event":"problem","field":"system.hostname","reason":"is taken","reason_fr":"est pris"}]"#;
    let mut checked = script("2\n3\nhall-2\n\n<\n7\n");
    answers(&mut checked, "settings-check", told(problem));
    walk(&mut checked, Language::Fr, Who::root());
    assert!(checked.screen().contains("system.hostname: est pris"));
    assert_eq!(changes(&checked).len(), 1);
    // Somebody else was faster.
    let mut raced = script("2\n3\nhall-2\n2\n\n<\n7\n");
    let words = (
        "the settings were changed in between",
        "les réglages ont changé entre-temps",
    );
    answers(
        &mut raced,
        "settings-set",
        refused("changed", words.0, words.1),
    );
    walk(&mut raced, Language::Fr, Who::root());
    assert!(raced.screen().contains(words.1), "{}", raced.screen());
    // Nobody listens.
    let mut alone = script("2\n\n<\n4\n3\n\n<\n7\n");
    alone.broker.clear();
    assert_eq!(
        walk(&mut alone, Language::En, Who::root()),
        Some(Ended::Left)
    );
    assert!(
        alone.screen().contains("nobody listens"),
        "{}",
        alone.screen()
    );
}

#[test]
fn whoever_is_logged_out_does_nothing_more() {
    let anne = || Who {
        name: "anne".to_owned(),
        token: Some("ab12".to_owned()),
        idle: None,
    };
    let over = || refused("session", "nobody is logged in, or no longer", "");
    for keys in [
        "4\n5\n1\n2\n5\n\n",
        "4\n2\n1\n2\n\n",
        "2\n\n",
        "6\n1\n2\n\n",
    ] {
        let mut script = script(keys);
        for verb in ["session", "settings-get", "restart"] {
            answers(&mut script, verb, over());
        }
        assert_eq!(
            walk(&mut script, Language::En, anne()),
            Some(Ended::Left),
            "{keys:?}"
        );
        assert!(
            script
                .asked
                .iter()
                .all(|asked| asked.starts_with("broker ab12")),
            "{keys:?}"
        );
    }
    // As long as they are logged in, it is done in their name.
    let mut script = script("4\n2\n1\n2\n\n1\n<\n7\n");
    walk(&mut script, Language::En, anne());
    let apply = "/usr/bin/vigie-update --language en apply --who anne (console) --id ab12";
    assert!(
        script.asked.iter().any(|asked| asked == apply),
        "{:?}",
        script.asked
    );
    assert_eq!(
        script.asked.last().map(String::as_str),
        Some(r#"broker ab12 {"verb":"log-out"}"#)
    );
}

#[test]
fn whoever_is_no_administrator_any_more_is_told() {
    let mut script = script("4\n5\n1\n2\n5\n\n<\n7\n");
    let viewer = r#"[{"event":"session","user":"anne","role":"viewer"}]"#;
    answers(&mut script, "session", told(viewer));
    let anne = Who {
        name: "anne".to_owned(),
        token: Some("ab12".to_owned()),
        idle: None,
    };
    walk(&mut script, Language::Fr, anne);
    assert!(!script.asked.iter().any(|asked| asked.contains("talk")));
    let words = "réservé aux administrateurs";
    assert!(script.screen().contains(words), "{}", script.screen());
}

/// A connection with a RAID module is no way around what ends a menu that nobody is at.
#[test]
fn a_serial_terminal_that_nobody_types_at_ends_the_menu() {
    let keys = "4\n5\n1\n2\n5\n<\n7\n";
    for (idle, expected) in [(Some(Duration::from_secs(900)), 1), (None, 2)] {
        let mut script = script(keys);
        let who = Who {
            idle,
            ..Who::root()
        };
        assert_eq!(walk(&mut script, Language::En, who), Some(Ended::Left));
        let shown = script.screen().matches("- maintenance").count();
        assert_eq!(shown, expected, "{}", script.screen());
    }
    let mut script = script("4\n5\n1\n2\n5\n\n<\n7\n");
    script.in_use = true;
    walk(&mut script, Language::Fr, Who::root());
    assert!(
        script.screen().contains("Quelqu'un d'autre"),
        "{}",
        script.screen()
    );
}

/// Looking at it asks the web service, which may hang: only the page that shows the status waits for that.
#[test]
fn only_the_status_waits_for_the_web_service() {
    let mut script = script("4\n4\n1\n1\n3\n<\n3\n<\n6\n\n<\n2\n<\n7\n");
    walk(&mut script, Language::En, Who::root());
    assert_eq!(script.looked.get(), 3, "as often as the first page");
}

#[test]
fn enter_leafs_on_in_the_direction_that_was_gone() {
    let mut script = script("4\n4\n1\n1\n2\n\n3\n<\n<\n7\n");
    walk(&mut script, Language::En, Who::root());
    let screen = script.screen();
    assert_eq!(screen.matches("Lines 1 to 1 of").count(), 1, "{screen}");
    assert_eq!(screen.matches("Lines 2 to 9 of").count(), 3, "{screen}");
}

#[test]
fn a_package_without_a_number_says_why() {
    for (language, words) in [(Language::En, "older"), (Language::Fr, "plus ancienne")] {
        let mut script = script("4\n2\n<\n<\n7\n");
        walk(&mut script, language, Who::root());
        assert!(script.screen().contains(words), "{}", script.screen());
    }
}

#[test]
fn nothing_is_ended_that_must_not_be_interrupted() {
    let locks = r#"{"type":"a(ssssuu)","data":[[["shutdown:sleep","vigie-recovery","data-1 is being repaired","block",0,812]]]}"#;
    for (language, words) in [
        (Language::En, "must not be interrupted"),
        (Language::Fr, "ne doit pas être interrompu"),
    ] {
        let mut script = script("6\n1\n2\n\n7\n");
        script.locks = locks;
        assert_eq!(walk(&mut script, language, Who::root()), Some(Ended::Left));
        assert!(changes(&script).is_empty());
        assert!(script.screen().contains(words), "{}", script.screen());
        assert!(
            script
                .screen()
                .contains("data-1 is being repaired (vigie-recovery)")
        );
    }
}

#[test]
fn what_comes_from_elsewhere_cannot_act_on_the_screen() {
    let mut script = script("4\n4\n1\n2\n3\n<\n<\n7\n");
    walk(&mut script, Language::En, Who::root());
    assert!(script.screen().contains("three[2J"), "{}", script.screen());
}

#[test]
fn ctrl_c_and_silence_leave_the_menu() {
    for kind in [io::ErrorKind::Interrupted, io::ErrorKind::TimedOut] {
        assert_eq!(left(kind.into()).ok(), Some(Ended::Left));
    }
    assert!(left(io::ErrorKind::UnexpectedEof.into()).is_err());
    let mut script = script("\x03");
    script.capable = true;
    assert_eq!(
        walk(&mut script, Language::En, Who::root()),
        Some(Ended::Left)
    );
}
