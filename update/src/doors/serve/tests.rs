//! Each request by each peer, and what comes back.

use std::io::{BufRead, BufReader};

use vigie_disk::Bytes;

use crate::apply::Phase;
use crate::pulled;
use crate::version::Version;

use super::*;

/// Writes down what it is asked.
#[derive(Default)]
struct Script {
    asked: Vec<String>,
}

impl Updater for Script {
    fn status(&mut self) -> Result<Value, Failure> {
        Ok(json!({"version": "1.0.0.0"}))
    }
    fn history(&mut self) -> Vec<Record> {
        let record = |n| Record {
            time: n,
            ..Record::now(Outcome::Good, Version([1, 0, 0, 0]))
        };
        (0..60).map(record).collect()
    }
    fn list(&mut self) -> Result<Vec<Found>, Failure> {
        Err(anyhow::anyhow!("no boot state").into())
    }
    fn judge(&mut self, upload: &str) -> Result<Verdict, Failure> {
        self.asked.push(format!("judge {upload}"));
        Err(Failure::refused("older", "plus ancien"))
    }
    fn check(&mut self, upload: &str, _: &mut Progress) -> Result<Verdict, Failure> {
        self.judge(upload)
    }
    fn apply(
        &mut self,
        id: &str,
        who: Option<String>,
        progress: &mut Progress,
    ) -> Result<Value, Failure> {
        self.asked.push(format!("apply {id} {who:?}"));
        if id == "twice" {
            return Err(ApplyError::Busy("web, root".into()).into());
        }
        progress.tell(Phase::Write, Bytes::new(5), Bytes::new(10));
        progress.tell(Phase::Write, Bytes::new(10), Bytes::new(10));
        Ok(json!({"version": "2.0.0.0", "slot": "b"}))
    }
    fn rollback(&mut self, door: Door, who: Option<String>) -> Result<Outcome, Failure> {
        self.asked.push(format!("rollback {door:?} {who:?}"));
        Ok(Outcome::Cancelled)
    }
    fn restart(&mut self) -> Result<(), Failure> {
        self.asked.push("restart".into());
        Ok(())
    }
    fn ask(&mut self) -> Result<Report, Failure> {
        self.asked.push("ask".into());
        Ok(Report {
            time: 7,
            answer: pulled::Answer::Offered,
            version: Some(Version([2, 0, 0, 0])),
            made: None,
            reason: None,
            reason_fr: None,
        })
    }
    fn speaker(&mut self, token: &str) -> Result<Speaker, Failure> {
        let role = match token {
            "of anne" => Role::Administrator,
            "of olga" => Role::Operator,
            _ => return Err(Failure::session()),
        };
        let user = token.trim_start_matches("of ").to_owned();
        Ok(Speaker { user, role })
    }
}

fn ask(peer: Peer, request: &[u8]) -> (Vec<Value>, Vec<String>) {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(request).unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let mut script = Script::default();
    serve(far, Ok(peer), &mut script);
    let lines = BufReader::new(near).lines().map(Result::unwrap);
    let events = lines.map(|line| serde_json::from_str(&line).unwrap());
    (events.collect(), script.asked)
}

#[test]
fn c59_who_installs_twice_is_told_that_it_is_busy() {
    let (events, _) = ask(Peer::Root, b"{\"verb\":\"apply\",\"id\":\"twice\"}\n");
    let told = (&events[0]["event"], &events[0]["code"]);
    assert_eq!(told, (&json!("refused"), &json!(BUSY)));
    let waits = ApplyError::Refused(crate::policy::Refusal::Waiting { version: None });
    assert_eq!(Failure::from(waits).code, Some(BUSY));
    assert_eq!(Failure::from(ApplyError::Live).code, None);
}

fn member() -> Peer {
    Peer::Member("anne".into())
}

#[test]
fn each_verb_has_its_answer() {
    let upload = "0123456789abcdef0123456789abcdef";
    for (peer, request, asked, events) in [
        (
            Peer::Web,
            r#"{"verb":"status"}"#.to_owned(),
            None,
            "status end",
        ),
        (Peer::Web, r#"{"verb":"list"}"#.into(), None, "failed end"),
        (
            Peer::Web,
            format!(r#"{{"verb":"judge","upload":"{upload}"}}"#),
            Some(format!("judge {upload}")),
            "refused end",
        ),
        (
            Peer::Web,
            r#"{"verb":"apply","id":"ab","who":"anne (192.0.2.7)","token":"of anne"}"#.into(),
            Some("apply ab Some(\"anne (192.0.2.7)\")".into()),
            "progress progress installed end",
        ),
        (
            Peer::Root,
            r#"{"verb":"apply","id":"ab","who":"root\u001b[2J"}"#.into(),
            Some("apply ab Some(\"root[2J\")".into()),
            "progress progress installed end",
        ),
        (
            member(),
            r#"{"verb":"apply","id":"ab","who":"root"}"#.into(),
            Some("apply ab Some(\"anne\")".into()),
            "progress progress installed end",
        ),
        (
            Peer::Web,
            r#"{"verb":"rollback","token":"of anne"}"#.into(),
            Some("rollback Web Some(\"anne\")".into()),
            "cancelled end",
        ),
        (
            Peer::Root,
            r#"{"verb":"restart"}"#.into(),
            Some("restart".into()),
            "restarting end",
        ),
        (
            Peer::Web,
            r#"{"verb":"restart","token":"of anne"}"#.into(),
            Some("restart".into()),
            "restarting end",
        ),
        (
            Peer::Web,
            r#"{"verb":"ask","token":"of anne"}"#.into(),
            Some("ask".into()),
            "asked end",
        ),
    ] {
        let (told, did) = ask(peer, (request.clone() + "\n").as_bytes());
        let names: Vec<&str> = told.iter().map(|e| e["event"].as_str().unwrap()).collect();
        assert_eq!(names.join(" "), events, "{request}");
        assert_eq!(did, Vec::from_iter(asked), "{request}");
        let ok = !events.contains("refused") && !events.contains("failed");
        assert_eq!(told.last().unwrap()["ok"], ok);
    }
}

#[test]
fn the_web_interface_changes_nothing_without_a_session_of_an_administrator() {
    for verb in [
        r#""verb":"apply","id":"ab""#,
        r#""verb":"rollback""#,
        r#""verb":"restart""#,
        r#""verb":"ask""#,
    ] {
        for (token, code) in [
            ("", "session"),
            (r#","token":null"#, "session"),
            (r#","token":"""#, "session"),
            (r#","token":"of nobody""#, "session"),
            (r#","token":"of olga""#, "role"),
            (r#","who":"root""#, "session"),
        ] {
            let (told, did) = ask(Peer::Web, format!("{{{verb}{token}}}\n").as_bytes());
            assert_eq!(told[0]["code"], code, "{verb} {token}");
            assert_ne!(told[0]["reason"], told[0]["reason_fr"]);
            assert_eq!((told.len(), &told[1]["ok"]), (2, &json!(false)));
            assert!(did.is_empty(), "{did:?}");
        }
        // What the others ask for needs none.
        for peer in [Peer::Root, member()] {
            let (told, did) = ask(peer, format!("{{{verb}}}\n").as_bytes());
            assert_eq!(
                (told.last().unwrap()["ok"].as_bool(), did.len()),
                (Some(true), 1)
            );
        }
    }
    for looks in [r#"{"verb":"status"}"#, r#"{"verb":"history"}"#] {
        let (told, _) = ask(Peer::Web, format!("{looks}\n").as_bytes());
        assert_eq!(told.last().unwrap()["ok"], true, "{looks}");
    }
}

#[test]
fn the_history_names_the_user_of_the_session() {
    for (who, expected) in [
        (None, "anne"),
        (Some("anne (192.0.2.7)"), "anne (192.0.2.7)"),
        (Some("anne (2001:DB8::7)"), "anne (2001:db8::7)"),
        (Some("root (192.0.2.7)"), "anne"),
        (Some("anne (console)"), "anne"),
        (Some("anne) (192.0.2.7)"), "anne"),
        (Some("annette (192.0.2.7)"), "anne"),
    ] {
        assert_eq!(spoken_for("anne".into(), who), expected, "{who:?}");
    }
}

#[test]
fn the_newest_records_are_told_and_no_more_than_some() {
    let (told, _) = ask(Peer::Web, b"{\"verb\":\"history\"}\n");
    assert_eq!(told.len(), RECORDS + 1);
    assert_eq!(told[0]["time"], 59);
}

#[test]
fn c64_nonsense_and_strangers_change_nothing() {
    let long = format!(
        "{{\"verb\":\"apply\",\"id\":\"{}\"}}\n",
        "a".repeat(LONGEST)
    );
    for (peer, request, word) in [
        (Peer::Web, &b""[..], "no end"),
        (Peer::Web, b"{\"verb\":\"restart\"}", "no end"),
        (Peer::Web, b"{}\n", "known"),
        (Peer::Web, b"{\"verb\":\"format\"}\n", "known"),
        (Peer::Web, b"{\"verb\":\"restart\",\"now\":1}\n", "known"),
        (Peer::Web, b"{\"verb\":\"apply\"}\n", "known"),
        (Peer::Web, b"{\"verb\":\"ask\",\"url\":\"x\"}\n", "known"),
        (Peer::Web, b"\xff\n", "known"),
        (Peer::Web, long.as_bytes(), "too long"),
        (
            Peer::Web,
            b"{\"verb\":\"judge\",\"upload\":\"../../../etc/shadow\"}\n",
            "name",
        ),
        (
            Peer::Web,
            b"{\"verb\":\"check\",\"upload\":\"0123456789ABCDEF0123456789ABCDEF\"}\n",
            "name",
        ),
        (
            member(),
            b"{\"verb\":\"judge\",\"upload\":\"0123456789abcdef0123456789abcdef\"}\n",
            "only the web interface",
        ),
    ] {
        let (told, did) = ask(peer, request);
        let reason = told[0]["reason"].as_str().unwrap();
        assert!(reason.contains(word), "{reason}");
        assert_eq!((told.len(), &told[1]["ok"]), (2, &json!(false)));
        assert!(did.is_empty(), "{did:?}");
    }
    let (near, far) = UnixStream::pair().unwrap();
    let mut script = Script::default();
    serve(
        far,
        Err(vigie_settings::Said::same("account 7 may not ask")),
        &mut script,
    );
    let lines: Vec<String> = BufReader::new(near).lines().map(Result::unwrap).collect();
    assert!(
        lines[0].contains("account 7") && lines.len() == 2,
        "{lines:?}"
    );
}

#[test]
fn c64_a_secret_comes_back_in_no_message() {
    let request = br#"{"verb":"restart","token":"tres secret","peer":7}"#;
    let (told, _) = ask(Peer::Web, &[&request[..], b"\n"].concat());
    assert!(told[0]["reason"].is_string());
    assert!(!format!("{told:?}").contains("secret"));
}

#[test]
fn an_update_goes_on_when_who_asked_has_gone() {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(b"{\"verb\":\"apply\",\"id\":\"ab\"}\n")
        .unwrap();
    drop(near);
    let mut script = Script::default();
    serve(far, Ok(Peer::Root), &mut script);
    assert_eq!(script.asked, ["apply ab None"]);
}
