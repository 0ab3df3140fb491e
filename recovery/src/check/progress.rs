//! How far a run of e2fsck is, from the lines of `e2fsck -C FD`: pass, current, maximum, device
//! (e2fsck/unix.c, `e2fsck_update_progress`).

use serde::Serialize;

/// The passes of a check; what the manual calls its phases.
pub const PASSES: u8 = 5;

/// Where each pass ends, in thousandths of the whole: e2fsck's own shares (`e2fsck_tbl`).
const ENDS: [u32; PASSES as usize + 1] = [0, 700, 900, 920, 950, 1000];

/// A line of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    pass: u8,
    current: u64,
    maximum: u64,
}

impl Position {
    /// None where the line is something else; the name of the device is passed over.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line.get(..line.len().min(64))?)
            .or_else(|error| std::str::from_utf8(&line[..error.valid_up_to()]))
            .ok()?
            .splitn(4, ' ');
        let pass = words.next().filter(|word| word.len() == 1)?.parse().ok()?;
        let (current, maximum) = (number(words.next()?)?, number(words.next()?)?);
        words.next()?;
        (1..=PASSES).contains(&pass).then_some(Self {
            pass,
            current,
            maximum,
        })
    }

    /// In thousandths of the whole.
    fn share(self) -> u16 {
        let [begin, end] = [self.pass - 1, self.pass].map(|at| u128::from(ENDS[usize::from(at)]));
        let (current, maximum) = (u128::from(self.current), u128::from(self.maximum));
        let within = (end - begin) * current.min(maximum) / maximum.max(1);
        (begin + within) as u16
    }
}

/// `str::parse` would take a sign, too.
fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| word.parse().ok())?
}

/// How far a run is. The share never goes back, not even where e2fsck starts over; the pass does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Meter {
    /// The pass, 1 to 5; 0 before the first.
    pub pass: u8,
    /// The share of all passes that is done, in thousandths.
    pub permille: u16,
}

impl Meter {
    /// The same in percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        u8::try_from(self.permille / 10).unwrap_or(100).min(100)
    }

    /// Takes a line in; false where it is none of progress.
    pub fn take(&mut self, line: &[u8]) -> bool {
        let Some(position) = Position::parse(line) else {
            return false;
        };
        self.pass = position.pass;
        self.permille = self.permille.max(position.share());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_it_and_garbage_does_not() {
        let mut meter = Meter::default();
        for (line, pass, permille) in [
            ("1 0 10 state", 1, 0),
            ("1 5 10 state", 1, 350),
            ("1 10 10 a label of several words", 1, 700),
            ("2 0 0 /dev/md127", 2, 700),
            ("3 4 4 x", 3, 920),
            // Started over: the pass says so, the share stays.
            ("1 1 10 x", 1, 920),
            ("5 2 4 x", 5, 975),
            ("5 9 4 x", 5, 1000),
            ("2 18446744073709551615 18446744073709551615 x", 2, 1000),
        ] {
            assert!(meter.take(line.as_bytes()), "{line}");
            assert_eq!((meter.pass, meter.permille), (pass, permille), "{line}");
        }
        let before = meter;
        for line in [
            "",
            "1",
            "1 2 3",
            "0 1 2 x",
            "6 1 2 x",
            "12 1 2 x",
            "1 -1 2 x",
            "1 +1 2 x",
            "1 1 18446744073709551616 x",
            "1  2 x",
            "e2fsck: Bad magic number in super-block while trying to open x",
        ] {
            assert!(!meter.take(line.as_bytes()), "{line}");
            assert_eq!(meter, before, "{line}");
        }
        assert!(!meter.take(b"\xFF 1 2 x"));
        assert!(meter.take(b"4 1 2 \xFF"));
        let long = ["1 1 2 ", &"\u{e9}".repeat(1000)].concat();
        assert!(meter.take(long.as_bytes()));
    }

    #[test]
    fn any_order_of_lines_never_goes_back() {
        let mut meter = Meter::default();
        let mut number = 7_u64;
        for _ in 0..10_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005) + 1;
            let before = meter.permille;
            meter.take(format!("{} {} {} x", number % 8, number >> 40, number >> 39).as_bytes());
            assert!(meter.permille >= before && meter.permille <= 1000);
        }
    }
}
