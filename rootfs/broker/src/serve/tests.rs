use super::*;
use crate::verb::tests::request;

mod office;

use office::Office;
pub(super) use office::{answered, code, is_well, line};

/// The whole table: each verb by each role, by nobody, and by root itself.
#[test]
fn each_verb_takes_the_role_that_the_table_says() {
    let roles = [
        ("vera", Role::Viewer),
        ("olga", Role::Operator),
        ("root", Role::Administrator),
    ];
    for verb in Verb::ALL {
        for (name, role) in roles {
            let mut office = Office::new();
            let token = office.token(name);
            // Of others than oneself it takes an administrator.
            let own = format!(r#"{{"verb":"sessions-end","name":"{name}"}}"#);
            let ask = match verb {
                Verb::SessionsEnd => own.as_str(),
                verb => request(verb),
            };
            let told = office.ask(Peer::Web, Some(&token), ask);
            let (needed, refusal) = match verb.needs() {
                Needs::Role(needed) => (Some(needed), "role"),
                Needs::Root if role == Role::Administrator => (None, "console"),
                Needs::Root => (None, "role"),
                Needs::Nobody => {
                    assert_eq!(code(&told), of_anybody(verb), "{verb:?}");
                    continue;
                }
            };
            let may = needed.is_some_and(|needed| role >= needed);
            assert_eq!(is_well(&told), may, "{verb:?} {name}: {told:?}");
            if !may {
                assert_eq!(code(&told), refusal, "{verb:?} {name}");
                assert!(office.script.done.is_empty(), "{verb:?} {name}");
            }
            let mut records = office.records();
            if may && verb.is_change() {
                let before = &office.script.before;
                assert!(before.iter().all(|one| *one == Ended::Asked), "{verb:?}");
                assert_eq!(records.remove(0).ended, Ended::Asked, "{verb:?}");
            }
            assert_eq!(records.len(), usize::from(verb.is_audited()), "{verb:?}");
            for record in records {
                let ended = if may { Ended::Done } else { Ended::Refused };
                assert_eq!((record.who.as_deref(), record.ended), (Some(name), ended));
                assert_eq!((record.role, &*record.from), (Some(role), "192.0.2.7"));
            }
        }
        let mut office = Office::new();
        for token in [None, Some("0123"), Some("")] {
            let told = office.ask(Peer::Web, token, request(verb));
            let expected = match verb.needs() {
                Needs::Nobody => of_anybody(verb),
                _ => "session",
            };
            assert_eq!(code(&told), expected, "{verb:?} {token:?}");
        }
        assert!(office.script.done.is_empty(), "{verb:?} by nobody");
        assert!(Trail::actions(office.root.path()).load().is_empty());
        let told = office.ask(Peer::Root, None, request(verb));
        // There is an administrator already.
        let refused = [Verb::LogIn, Verb::Setup, Verb::SetupCode].contains(&verb);
        assert_eq!(is_well(&told), !refused, "{verb:?} by root: {told:?}");
    }
}

/// What becomes of what anybody may ask, here: a token gives no name a password, and the setup is over.
fn of_anybody(verb: Verb) -> &'static str {
    match verb {
        Verb::LogIn => "wrong",
        Verb::Setup => "closed",
        _ => "",
    }
}

#[test]
fn a_token_is_given_for_a_password_and_ends_when_it_is_said() {
    let mut office = Office::new();
    let ask = r#"{"verb":"log-in","user":"olga","password":"dix lamas"}"#;
    let told = office.ask(Peer::Web, None, ask);
    assert!(is_well(&told), "{told:?}");
    let token = told[0]["token"].as_str().unwrap().to_owned();
    assert_eq!(
        (told[0]["role"].as_str(), token.len()),
        (Some("operator"), 64)
    );
    let told = office.ask(Peer::Web, Some(&token), r#"{"verb":"session"}"#);
    assert_eq!(
        told[0],
        json!({
            "event": "session", "user": "olga", "role": "operator", "language": null,
            "idle_minutes": 30,
        })
    );
    assert!(is_well(&office.ask(
        Peer::Web,
        Some(&token),
        r#"{"verb":"log-out"}"#
    )));
    let told = office.ask(Peer::Web, Some(&token), r#"{"verb":"session"}"#);
    assert_eq!(code(&told), "session");
    // A role that is taken away is gone at once, whatever the token was given for.
    let token = office.token("root");
    office.users.borrow_mut()[0].role = Role::Viewer;
    let told = office.ask(Peer::Web, Some(&token), request(Verb::PowerOff));
    assert_eq!(code(&told), "role");
    // Root with a token is whoever the token is of.
    let token = office.token("vera");
    let told = office.ask(Peer::Root, Some(&token), request(Verb::PowerOff));
    assert_eq!(code(&told), "role");
}

#[test]
fn ten_thousand_wrong_passwords_are_few_lines_and_push_out_no_action() {
    let mut office = Office::new();
    assert!(is_well(&office.ask(
        Peer::Root,
        None,
        request(Verb::SetPassword)
    )));
    let ask = r#"{"verb":"log-in","user":"root","password":"guessed it"}"#;
    let mut waits = 0;
    for _ in 0..50 {
        let told = office.ask(Peer::Web, None, ask);
        waits += usize::from(code(&told) == "wait");
    }
    assert!(waits >= 40, "{waits}");
    let records = office.records();
    assert!(records.len() <= 12, "{}", records.len());
    assert_eq!(
        records
            .iter()
            .filter(|r| r.action == "set-password")
            .count(),
        2
    );
    let wrong = Trail::wrong(office.root.path()).load();
    assert!(!wrong.is_empty() && wrong.iter().all(|r| r.about.as_deref() == Some("root")));
    // The administrator waits nowhere else for that.
    let ask = r#"{"verb":"log-in","user":"root","password":"dix lamas"}"#;
    let line = format!("{{\"from\":\"192.0.2.1\",\"ask\":{ask}}}\n");
    assert!(is_well(&office.raw(Some(Peer::Web), line.as_bytes())));
}

#[test]
fn whoever_is_logged_in_pushes_out_no_action_either() {
    let mut office = Office::new();
    office.ask(Peer::Root, None, request(Verb::SetPassword));
    let token = office.token("vera");
    let told = office.ask(Peer::Web, Some(&token), request(Verb::PowerOff));
    assert_eq!(code(&told), "role");
    let ask = r#"{"verb":"log-in","user":"vera","password":"dix lamas"}"#;
    let told = office.ask(Peer::Web, None, ask);
    let token = told[0]["token"].as_str().unwrap().to_owned();
    assert!(is_well(&office.ask(
        Peer::Web,
        Some(&token),
        request(Verb::LogOut)
    )));
    let actions = |trail: Trail| -> Vec<String> {
        let records = trail.load().into_iter();
        records.map(|record| record.action).collect()
    };
    let root = office.root.path();
    assert_eq!(actions(Trail::actions(root)), ["set-password"; 2]);
    assert_eq!(actions(Trail::refusals(root)), ["power-off"]);
    assert_eq!(actions(Trail::log_ins(root)), ["log-in", "log-out"]);
    assert_eq!(office.records().len(), 5, "all are shown together");
}

#[test]
fn a_password_that_is_typed_as_a_name_is_not_written_down() {
    let mut office = Office::new();
    for name in ["dix lamas", "olga"] {
        let ask = format!(r#"{{"verb":"log-in","user":"{name}","password":"x"}}"#);
        assert_eq!(code(&office.ask(Peer::Web, None, &ask)), "wrong");
    }
    let about: Vec<_> = office.records().into_iter().map(|r| r.about).collect();
    assert_eq!(about, [Some("?".to_owned()), Some("olga".to_owned())]);
}

#[test]
fn the_web_interface_speaks_for_an_address_and_for_nothing_else() {
    let mut office = Office::new();
    let ask = |office: &mut Office, peer, from: &str, verb| {
        let line = format!("{{{from}\"ask\":{}}}\n", request(verb));
        let told = office.raw(Some(peer), line.as_bytes());
        code(&told).to_owned()
    };
    for from in [
        "",
        r#""from":"","#,
        r#""from":"console","#,
        r#""from":"recovery 1.2.3.4","#,
        r#""from":"192.0.2.7 console","#,
        r#""from":"192.0.2.7:443","#,
    ] {
        let told = ask(&mut office, Peer::Web, from, Verb::LogIn);
        assert_eq!(told, "from", "{from}");
    }
    assert!(office.records().is_empty());
    for (from, expected) in [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
    ] {
        let from = format!(r#""from":"{from}","#);
        assert_eq!(ask(&mut office, Peer::Web, &from, Verb::LogIn), "wrong");
        let record = office.records().pop().unwrap();
        assert_eq!((&*record.from, record.peer), (expected, Some(Peer::Web)));
        std::fs::remove_dir_all(office.root.path().join(audit::FOLDER)).unwrap();
    }
    for (from, expected) in [("", "console"), (r#""from":"a shell","#, "a shell")] {
        assert_eq!(ask(&mut office, Peer::Root, from, Verb::Restart), "");
        let record = office.records().pop().unwrap();
        assert_eq!((&*record.from, record.peer), (expected, Some(Peer::Root)));
        std::fs::remove_dir_all(office.root.path().join(audit::FOLDER)).unwrap();
    }
}

#[test]
fn garbage_is_refused_unread_and_nothing_of_it_is_told() {
    let mut office = Office::new();
    let long = format!(
        r#"{{"ask":{{"verb":"restart"}},"from":"{}"}}"#,
        "x".repeat(LONGEST)
    );
    let lines: [&[u8]; 12] = [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"{\"ask\":{\"verb\":\"restart\"}}",
        b"{\"ask\":{\"verb\":\"format-disks\"}}\n",
        b"{\"ask\":{\"verb\":\"restart\",\"now\":true}}\n",
        b"{\"ask\":{\"verb\":\"restart\"},\"role\":\"administrator\"}\n",
        b"{\"ask\":{\"verb\":\"log-in\",\"user\":\"root\",\"password\":[\"dix lamas\"]}}\n",
        b"{\"verb\":\"restart\"}\n",
        long.as_bytes(),
    ];
    for line in lines {
        let told = office.raw(Some(Peer::Root), line);
        assert_eq!(
            code(&told),
            "request",
            "{:?}",
            String::from_utf8_lossy(line).get(..40)
        );
        assert!(!told.iter().any(|event| event.to_string().contains("lamas")));
    }
    let told = office.raw(None, b"{\"ask\":{\"verb\":\"restart\"}}\n");
    assert_eq!(code(&told), "peer");
    assert!(office.script.done.is_empty() && office.records().is_empty());
}

/// Whatever a viewer's lines are turned into, they do nothing, and each gets its end.
#[test]
fn no_changed_byte_makes_a_verb_of_another_role() {
    let mut office = Office::new();
    let token = office.token("vera");
    let takes_a_role = |verb: &Verb| verb.needs() != Needs::Nobody;
    // A viewer's own password is theirs to change; each try of it takes its time.
    let others = |verb: &Verb| takes_a_role(verb) && *verb != Verb::SetOwnPassword;
    for verb in Verb::ALL.into_iter().filter(others) {
        let line = format!(
            r#"{{"token":"{token}","from":"192.0.2.7","ask":{}}}"#,
            request(verb)
        );
        // Not within the token: a wrong one is tried elsewhere.
        let places = (0..line.len()).filter(|at| !(10..74).contains(at));
        for (at, with) in places.flat_map(|at| [(at, 0x01), (at, 0x20), (at, 0x80)]) {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= with;
            bytes.push(b'\n');
            let told = office.raw(Some(Peer::Web), &bytes);
            let end = told.last().map(|event| event["event"] == "end");
            assert_eq!(end, Some(true), "{verb:?} {at}");
        }
        for length in 0..line.len() {
            let told = office.raw(Some(Peer::Web), &line.as_bytes()[..length]);
            assert_eq!(code(&told), "request", "{verb:?} cut at {length}");
        }
    }
    // What a viewer may look at.
    let looks = ["NetworkTrial", "CheckAtBootState"];
    let done = &office.script.done;
    assert!(
        done.iter().all(|one| looks.contains(&one.as_str())),
        "{done:?}"
    );
}

#[test]
fn passwords_that_are_none_are_refused_and_none_is_written_anywhere() {
    let mut office = Office::new();
    for password in ["", "kurz", "a\\nbcdefghij", &"x".repeat(600)] {
        let ask = format!(r#"{{"verb":"set-password","account":"root","password":"{password}"}}"#);
        assert_eq!(
            code(&office.ask(Peer::Root, None, &ask)),
            "password",
            "{password}"
        );
    }
    let ask = r#"{"verb":"set-password","account":"toor","password":"vingt lamas"}"#;
    assert_eq!(code(&office.ask(Peer::Root, None, ask)), "request");
    assert!(office.script.done.is_empty());
    let told = office.ask(Peer::Root, None, request(Verb::SetPassword));
    assert!(is_well(&told));
    assert_eq!(office.script.done, ["set-password service"]);
    let folder = office.root.path().join(audit::FOLDER);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("lamas") && !text.contains("kurz"), "{text}");
    }
}

#[test]
fn what_fails_is_told_and_written_down_so() {
    let mut office = Office::new();
    office.script.fails = true;
    let told = office.ask(Peer::Root, None, request(Verb::SetPassword));
    assert_eq!((code(&told), is_well(&told)), ("failed", false));
    assert!(
        told[0]["reason"]
            .as_str()
            .unwrap()
            .contains("Access denied")
    );
    let told = office.ask(Peer::Root, None, request(Verb::PowerOff));
    assert_eq!(code(&told), "failed");
    let ended: Vec<Ended> = office.records().iter().map(|record| record.ended).collect();
    assert_eq!(
        ended,
        [Ended::Asked, Ended::Failed, Ended::Asked, Ended::Failed]
    );
}

#[test]
fn a_trail_that_cannot_be_written_is_told_and_stops_nothing() {
    let mut office = Office::new();
    std::fs::write(office.root.path().join(audit::FOLDER), "in the way").unwrap();
    let told = office.ask(Peer::Root, None, request(Verb::SetPassword));
    assert!(is_well(&told), "{told:?}");
    let warning = told
        .iter()
        .find(|event| event["event"] == "warning")
        .unwrap();
    assert!(
        warning["reason_fr"]
            .as_str()
            .unwrap()
            .contains("piste d'audit")
    );
    assert_eq!(office.script.done, ["set-password service"]);
}

#[test]
fn c64_what_a_page_asks_by_itself_is_answered_and_judged_alike() {
    let mut office = Office::new();
    let token = office.token("vera");
    let ask = |verb| {
        format!(
            "{{\"token\":\"{token}\",\"from\":\"192.0.2.7\",\"quiet\":true,\"ask\":{}}}\n",
            request(verb)
        )
    };
    let told = office.raw(Some(Peer::Web), ask(Verb::Session).as_bytes());
    assert!(is_well(&told), "{told:?}");
    let told = office.raw(Some(Peer::Web), ask(Verb::Restart).as_bytes());
    assert_eq!(code(&told), "role");
}

#[test]
fn the_log_is_told_in_lines_of_what_was_asked() {
    let mut office = Office::new();
    let told = office.ask(Peer::Root, None, request(Verb::Logs));
    let lines: Vec<&Value> = told
        .iter()
        .filter(|event| event["event"] == "line")
        .collect();
    assert_eq!(
        (lines.len(), lines[4]["text"].as_str()),
        (5, Some("line 4"))
    );
    assert_eq!(lines[4]["cursor"], "i=4");
    let ask = r#"{"verb":"logs","lines":5,"after":"s=1;i=4","log":"disconnections"}"#;
    assert!(is_well(&office.ask(Peer::Root, None, ask)));
    for ask in [
        r#"{"verb":"logs","lines":0}"#,
        r#"{"verb":"logs","lines":100001}"#,
        r#"{"verb":"logs","lines":5,"unit":""}"#,
        r#"{"verb":"logs","lines":5,"unit":"a b"}"#,
        r#"{"verb":"logs","lines":5,"unit":"../x"}"#,
        r#"{"verb":"logs","lines":5,"unit":"a\nb"}"#,
        r#"{"verb":"logs","lines":5,"after":"a b"}"#,
    ] {
        assert_eq!(code(&office.ask(Peer::Root, None, ask)), "logs", "{ask}");
    }
}

#[test]
fn the_trail_is_told_from_the_newest_and_looking_at_it_is_not_in_it() {
    let mut office = Office::new();
    for _ in 0..3 {
        office.ask(Peer::Root, None, request(Verb::SetPassword));
    }
    let told = office.ask(Peer::Root, None, r#"{"verb":"audit","last":2}"#);
    let records: Vec<&Value> = told
        .iter()
        .filter(|event| event["event"] == "record")
        .collect();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["action"], "set-password");
    assert_eq!(office.records().len(), 6);
}

#[test]
fn a_document_is_validated_with_line_field_and_both_languages() {
    let mut office = Office::new();
    let mut ask = |document: &str| {
        let ask = json!({"verb": "settings-validate", "document": document}).to_string();
        office.ask(Peer::Root, None, &ask)
    };
    assert_eq!(ask("version = 2\n").len(), 1);
    let told = ask("version = 3\n[system]\nhostname = \"a b\"\n");
    assert_eq!(
        (&told[0]["line"], &told[0]["field"]),
        (&json!(3), &json!("system.hostname"))
    );
    assert_ne!(told[0]["reason"], told[0]["reason_fr"]);
    let told = ask(
        "version = 3\n[network.enterprise]\naddress = \"192.0.2.5/24\"\ngateway = \"10.0.0.1\"\n",
    );
    assert_eq!(told[0]["field"], "network.enterprise.gateway", "{told:?}");
    // Nothing is used by being looked at.
    assert!(office.script.done.is_empty());
}

#[test]
fn whoever_sets_their_own_password_stays_and_others_are_out() {
    let mut office = Office::new();
    let (own, other) = (office.token("root"), office.token("root"));
    let ask =
        r#"{"verb":"set-password","account":"root","password":"vingt lamas","own":"dix lamas"}"#;
    assert!(is_well(&office.ask(Peer::Web, Some(&own), ask)));
    assert!(is_well(&office.ask(
        Peer::Web,
        Some(&own),
        request(Verb::Session)
    )));
    assert_eq!(
        code(&office.ask(Peer::Web, Some(&other), request(Verb::Session))),
        "session"
    );
    // Nothing of it touches a session of somebody else.
    office.users.borrow_mut()[0].hash.pop();
    let own = office.token("root");
    let olga = office.token("olga");
    assert!(is_well(&office.ask(Peer::Web, Some(&own), ask)));
    assert!(is_well(&office.ask(
        Peer::Web,
        Some(&olga),
        request(Verb::Session)
    )));
}
