//! What stands on the screen: scripted keys, and a terminal emulator that shows what was written.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use vigie_prompt::{Answer, Capable, ENGLISH, Field, Item, Plain, Prompter, Size, Wire};

/// A terminal with a script in place of a person.
struct Script {
    keys: VecDeque<u8>,
    size: Size,
    screen: vt100::Parser,
    written: usize,
    echo: Vec<bool>,
}

impl Script {
    fn new(keys: &[u8], columns: u16, rows: u16) -> Self {
        Self {
            keys: keys.iter().copied().collect(),
            size: Size {
                columns: columns.into(),
                rows: rows.into(),
            },
            screen: vt100::Parser::new(rows, columns, 0),
            written: 0,
            echo: Vec::new(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let (rows, columns) = self.screen.screen().size();
        let lines = self.screen.screen().rows(0, columns).take(rows.into());
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

impl Wire for &mut Script {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        match self.keys.pop_front() {
            // 0xff is a silence, and never a part of UTF-8.
            Some(0xff) => Ok(None),
            Some(byte) => Ok(Some(byte)),
            None if patience.is_some() => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.written += text.len();
        self.screen.process(text.replace('\n', "\r\n").as_bytes());
        Ok(())
    }
    fn size(&self) -> Option<Size> {
        Some(self.size)
    }
    fn echo(&mut self, on: bool) -> io::Result<()> {
        self.echo.push(on);
        Ok(())
    }
    fn forget(&mut self) -> io::Result<()> {
        self.keys.clear();
        Ok(())
    }
}

fn items(count: usize) -> Vec<Item> {
    (1..=count)
        .map(|number| Item::new(format!("entry {number}")))
        .collect()
}

/// The lines that look like entries of a menu.
fn entries(script: &Script) -> Vec<String> {
    let lines = script.lines().into_iter();
    lines.filter(|line| line.contains("entry")).collect()
}

#[test]
fn the_marker_moves_and_the_rest_stays() {
    let mut script = Script::new(b"\x1b[B\x1bOB", 80, 24);
    let mut prompter = Capable::new(&mut script, &ENGLISH);
    prompter.page("Choose").unwrap();
    prompter.choose(&items(5), 0).unwrap_err();
    assert_eq!(
        script.lines()[..9],
        [
            "Choose",
            "",
            "   1  entry 1",
            "   2  entry 2",
            ">  3  entry 3",
            "   4  entry 4",
            "   5  entry 5",
            "",
            "Number or arrows, then Enter; Esc goes back:"
        ]
    );
    let (row, column) = script.screen.screen().cursor_position();
    assert_eq!((row, column), (8, 45), "the cursor waits behind the prompt");
}

#[test]
fn a_key_costs_few_bytes_on_a_slow_line() {
    let cost = |keys: &[u8]| {
        let mut script = Script::new(keys, 80, 24);
        let mut prompter = Capable::new(&mut script, &ENGLISH);
        let _ = prompter.choose(&items(10), 0);
        script.written
    };
    let one = cost(b"\x1b[B") - cost(b"");
    assert!(one < 120, "{one} bytes, 1 ms each at 9600 baud");
}

#[test]
fn a_menu_longer_than_the_screen_scrolls() {
    let items = items(60);
    for (keys, expected) in [
        (&b"\x1b[4~"[..], 60),
        (b"\x1b[6~\x1b[6~\x1b[6~", 55),
        (b"47", 47),
        (b"47\x7f", 4),
        (b"\x1b[4~\x1b[1~", 1),
        (
            b"25\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A",
            14,
        ),
    ] {
        let mut script = Script::new(keys, 80, 24);
        let mut prompter = Capable::new(&mut script, &ENGLISH);
        prompter.page("Time zone").unwrap();
        prompter
            .tell(&["Where is this machine?".to_owned()])
            .unwrap();
        prompter.choose(&items, 0).unwrap_err();
        let shown = entries(&script);
        let marked: Vec<&String> = shown.iter().filter(|line| line.starts_with('>')).collect();
        assert_eq!(
            marked,
            [&format!(">{expected:>3}  entry {expected}")],
            "{shown:#?}"
        );
        assert!(shown.len() >= 17, "{shown:#?}");
        let numbers: Vec<usize> = shown
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(
            numbers.windows(2).all(|two| two[0] + 1 == two[1]),
            "{numbers:?}"
        );
        assert_eq!(script.lines()[0], "Time zone");
    }
}

#[test]
fn entries_of_two_lines_reasons_and_marks() {
    let mut items = items(3);
    items[0].lines.push("Windows (NTFS)".to_owned());
    items[1].refused = Some("is the medium that this system runs from".to_owned());
    let mut script = Script::new(b" \x1b[B \x1b[B 9\r", 80, 24);
    let mut prompter = Capable::new(&mut script, &ENGLISH);
    prompter.choose_several(&items, &[2]).unwrap_err();
    assert_eq!(
        script.lines()[..6],
        [
            "   1  [x] entry 1",
            "          Windows (NTFS)",
            "   -      entry 2",
            ">  3  [ ] entry 3",
            "\"9\" is not one of the numbers above.",
            "Space marks or unmarks, Enter when done; Esc goes back:"
        ]
    );
    let mut script = Script::new(b"2\r", 80, 24);
    let mut prompter = Capable::new(&mut script, &ENGLISH);
    prompter.choose(&items, 0).unwrap_err();
    assert_eq!(
        script.lines()[4],
        "is the medium that this system runs from"
    );
}

#[test]
fn lines_are_edited_on_the_screen() {
    let check = |text: &str| match text {
        "vigie" => Ok(()),
        _ => Err("this is not a name".to_owned()),
    };
    let field = Field {
        label: "Name",
        initial: "",
        optional: false,
        mend: true,
        check: &check,
    };
    for (keys, shown) in [
        ("é\x7fvigie".as_bytes(), "Name: vigie"),
        ("xvigie\x1b[1~\x1b[3~".as_bytes(), "Name: vigie"),
        ("vige\x1b[Di".as_bytes(), "Name: vigie"),
        ("vigx\x08ie\x1b[200~".as_bytes(), "Name: vigie"),
    ] {
        let mut script = Script::new(keys, 80, 24);
        let mut prompter = Capable::new(&mut script, &ENGLISH);
        prompter.line(&field).unwrap_err();
        assert_eq!(script.lines()[1], shown);
    }
    let mut script = Script::new(b"\rvig\rie\r", 80, 24);
    let answer = Capable::new(&mut script, &ENGLISH).line(&field).unwrap();
    assert_eq!(answer, Answer::Given("vigie".to_owned()));
    assert_eq!(
        script.lines()[1..6],
        [
            "Name:",
            "Something must be typed here.",
            "Name: vig",
            "this is not a name",
            "Name: vigie"
        ]
    );
    let mut script = Script::new(b"abc\x1b\xff", 80, 24);
    assert_eq!(
        Capable::new(&mut script, &ENGLISH).line(&field).unwrap(),
        Answer::Back
    );
}

#[test]
fn a_refused_text_is_mended_or_typed_anew() {
    let ask = |mend, keys: &[u8]| {
        let field = Field {
            label: "Serial",
            initial: "",
            optional: false,
            mend,
            check: &|text| match text {
                "ABC" => Ok(()),
                _ => Err("wrong".to_owned()),
            },
        };
        let mut script = Script::new(keys, 40, 24);
        Capable::new(&mut script, &ENGLISH).line(&field)
    };
    let given = Answer::Given("ABC".to_owned());
    assert_eq!(ask(true, b"AB\rC\r").unwrap(), given);
    assert_eq!(ask(false, b"AB\rABC\r").unwrap(), given);
    assert!(ask(false, b"AB\rC\r").is_err(), "still asking");
}

#[test]
fn a_long_line_scrolls_sideways() {
    let text: String = ('a'..='z').cycle().take(100).collect();
    let field = Field {
        label: "Key",
        initial: "",
        optional: false,
        mend: true,
        check: &|_| Ok(()),
    };
    let mut script = Script::new(text.as_bytes(), 40, 24);
    Capable::new(&mut script, &ENGLISH)
        .line(&field)
        .unwrap_err();
    assert_eq!(script.lines()[1], format!("Key: {}", &text[100 - 33..]));
    assert_eq!(script.lines()[2], "");
    let keys = [text.as_bytes(), b"\x1b[1~"].concat();
    let mut script = Script::new(&keys, 40, 24);
    Capable::new(&mut script, &ENGLISH)
        .line(&field)
        .unwrap_err();
    assert_eq!(script.lines()[1], format!("Key: {}", &text[..34]));
}

#[test]
fn secrets_do_not_reach_the_screen() {
    let mut script = Script::new("motdepassé\x7f\r".as_bytes(), 80, 24);
    let answer = Capable::new(&mut script, &ENGLISH)
        .secret("Password")
        .unwrap();
    let Answer::Given(secret) = answer else {
        panic!("given")
    };
    assert_eq!(secret.expose(), "motdepass");
    assert_eq!(format!("{secret:?}"), "(hidden)");
    assert_eq!(script.lines()[1], "Password: *********");
    let mut script = Script::new(b"motdepasse\r\n<\n\x1b\n", 80, 24);
    let mut prompter = Plain::new(&mut script, &ENGLISH);
    assert!(matches!(
        prompter.secret("Password").unwrap(),
        Answer::Given(_)
    ));
    assert_eq!(prompter.secret("Again").unwrap(), Answer::Back);
    assert_eq!(prompter.secret("Again").unwrap(), Answer::Back);
    assert_eq!(script.echo, [false, true].repeat(3));
}

#[test]
fn long_texts_come_in_pages() {
    let lines: Vec<String> = (1..=50).map(|number| format!("line {number}")).collect();
    for (keys, answer, last) in [
        (&b"\r \r"[..], Answer::Given(()), "line 50"),
        (b"\rx\x1b\xff", Answer::Back, "line 44"),
    ] {
        let mut script = Script::new(keys, 80, 24);
        let mut prompter = Capable::new(&mut script, &ENGLISH);
        prompter.page("Plan").unwrap();
        assert_eq!(prompter.tell(&lines).unwrap(), answer);
        assert_eq!(script.lines()[22], last);
        let mut script = Script::new(
            if answer == Answer::Back {
                b"\n<\n"
            } else {
                b"\n\n\n"
            },
            80,
            24,
        );
        let mut prompter = Plain::new(&mut script, &ENGLISH);
        assert_eq!(prompter.tell(&lines).unwrap(), answer);
    }
}

#[test]
fn the_page_is_drawn_again() {
    let mut script = Script::new(b"\x0c2", 80, 24);
    script.screen.process(b"kernel: noise\r\n");
    let mut prompter = Capable::new(&mut script, &ENGLISH);
    prompter.page("Disks").unwrap();
    prompter.tell(&["A text.".to_owned()]).unwrap();
    prompter.choose(&items(3), 0).unwrap_err();
    assert_eq!(
        script.lines()[..6],
        [
            "Disks",
            "",
            "A text.",
            "   1  entry 1",
            ">  2  entry 2",
            "   3  entry 3"
        ]
    );
}

/// A telephone, or a window that somebody made small: moving the marker moves nothing else.
#[test]
fn a_narrow_screen_stays_in_order() {
    use vigie_prompt::FRENCH;
    for (columns, words) in [(20, &ENGLISH), (20, &FRENCH), (40, &FRENCH)] {
        let mut script = Script::new(b"\x1b[B\x1b[B\x1b[A12\x7f\x7f\x1b[B", columns, 12);
        let mut prompter = Capable::new(&mut script, words);
        prompter.page("Vigie 0.1.0.0 - nvr-hall - le menu").unwrap();
        let deep = format!("{:21}passerelle : 192.168.1.1", "");
        prompter.tell(&[deep]).unwrap();
        prompter.choose(&items(3), 0).unwrap_err();
        let shown = entries(&script);
        assert_eq!(
            shown,
            ["   1  entry 1", ">  2  entry 2", "   3  entry 3"],
            "{:#?}",
            script.lines()
        );
        let all = script.lines();
        let prompts = all
            .iter()
            .filter(|line| line.contains("..") && !line.contains("Vigie"));
        assert_eq!(prompts.count(), 1, "{all:#?}");
    }
}

/// What is drawn again is what was typed, as the language has it, and no wider than the screen.
#[test]
fn an_answer_stays_on_the_page() {
    let field = Field {
        label: "Nom",
        initial: "",
        optional: false,
        mend: true,
        check: &|_| Ok(()),
    };
    let mut script = Script::new(b"hall\r\x0c", 80, 24);
    let mut prompter = Capable::new(&mut script, &vigie_prompt::FRENCH);
    prompter.page("Nom").unwrap();
    prompter.line(&field).unwrap();
    prompter.choose(&items(2), 0).unwrap_err();
    assert_eq!(script.lines()[3], "Nom : hall", "{:#?}", script.lines());
}

#[test]
fn plain_menus() {
    let mut items = items(3);
    items[1].refused = Some("in use".to_owned());
    for (typed, expected) in [
        ("\n", Answer::Given(2)),
        ("1\n", Answer::Given(0)),
        ("x\n0\n4\n2\n \r\n", Answer::Given(2)),
        ("<\n", Answer::Back),
        ("\x1b\n", Answer::Back),
        ("\x1b\x1b\r", Answer::Back),
        ("\x1b[A\n1\n", Answer::Given(0)),
    ] {
        let mut script = Script::new(typed.as_bytes(), 80, 24);
        let mut prompter = Plain::new(&mut script, &ENGLISH);
        assert_eq!(prompter.choose(&items, 2).unwrap(), expected, "{typed:?}");
        assert!(!script.screen.screen().contents().contains('\x1b'));
    }
    let mut script = Script::new(b"1 3\n3,2,x\n\n", 80, 24);
    let answer = Plain::new(&mut script, &ENGLISH)
        .choose_several(&items, &[])
        .unwrap();
    assert_eq!(answer, Answer::Given(vec![0]));
}

#[test]
fn plain_menus_come_in_pages() {
    let mut script = Script::new(b"+\n+\n55\n", 80, 24);
    let answer = Plain::new(&mut script, &ENGLISH)
        .choose(&items(60), 0)
        .unwrap();
    assert_eq!(answer, Answer::Given(54));
    // Also a number that is not on the screen yet.
    let mut script = Script::new(b"55\n", 80, 24);
    let answer = Plain::new(&mut script, &ENGLISH)
        .choose(&items(60), 0)
        .unwrap();
    assert_eq!(answer, Answer::Given(54));
}

#[test]
fn plain_lines() {
    let field = |initial, optional| Field {
        label: "Gateway",
        initial,
        optional,
        mend: true,
        check: &|text: &str| match text.len() {
            0..=5 => Ok(()),
            _ => Err("too long".to_owned()),
        },
    };
    for (initial, optional, typed, expected) in [
        ("", false, "\nabcdefg\nabc\n", Answer::Given("abc")),
        ("abc", false, "\n", Answer::Given("abc")),
        ("abc", false, "-\n", Answer::Given("-")),
        ("abc", true, "-\n", Answer::Given("")),
        ("", true, "\n", Answer::Given("")),
        ("abc", true, "<\n", Answer::Back),
        ("", false, "\x1b[Aab\x07\n", Answer::Given("[Aab")),
    ] {
        let mut script = Script::new(typed.as_bytes(), 80, 24);
        let answer = Plain::new(&mut script, &ENGLISH)
            .line(&field(initial, optional))
            .unwrap();
        let expected = match expected {
            Answer::Given(text) => Answer::Given(text.to_owned()),
            Answer::Back => Answer::Back,
        };
        assert_eq!(answer, expected, "{typed:?}");
    }
    let flood = vec![b'x'; 100_000];
    let keys = [&flood[..], b"\nabc\n"].concat();
    let mut script = Script::new(&keys, 80, 24);
    let answer = Plain::new(&mut script, &ENGLISH)
        .line(&field("", false))
        .unwrap();
    assert_eq!(answer, Answer::Given("abc".to_owned()));
}

#[test]
fn a_flood_writes_little() {
    let mut flood = vec![b'7'; 50_000];
    flood.extend([0x80, 0xfe].repeat(10_000));
    let mut script = Script::new(&flood, 80, 24);
    let mut prompter = Capable::new(&mut script, &ENGLISH);
    prompter.choose(&items(3), 0).unwrap_err();
    assert!(script.written < 2_000, "{} bytes", script.written);
}
