//! Forms with files that are changed at random: whatever comes, the answer is one, and nothing is left over.

use reqwest::blocking::Response;

use crate::support::{Person, Web, multipart, package};

/// Tries of each form; each is answered within milliseconds.
const TRIES: u32 = 120;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    /// A part of so many bytes.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let first = self.below(length);
        first..first + self.below((length - first).min(200))
    }
}

/// What a form's reader pays attention to.
const WORDS: [&[u8]; 8] = [
    b"--xyz\r\n",
    b"\r\n--xyz--\r\n",
    b"\r\n\r\n",
    b"\r",
    b"Content-Disposition: form-data; name=\"csrf\"\r\n\r\n",
    b"Content-Disposition: form-data; name=\"file\"; filename=\"\xff\"\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"\0\xff\xfe",
];

fn mutated(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        // Mostly where the forms' own words are.
        let near = if random.below(3) == 0 {
            usize::MAX
        } else {
            400
        };
        let end = bytes.len().min(near);
        let at = random.below(end);
        match random.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => {
                let part = random.part(end);
                bytes.drain(part);
            }
            3 => {
                let part = bytes[random.part(end)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

fn kind(random: &mut Random) -> &'static str {
    match random.below(20) {
        0 => "multipart/form-data",
        1 => "multipart/form-data; boundary=",
        2 => "multipart/form-data; boundary=\"x\\yz",
        3 => "text/plain",
        _ => "multipart/form-data; boundary=xyz",
    }
}

fn sent(person: &Person<'_>, path: &str, kind: &str, body: Vec<u8>) -> Response {
    let request = person.client.post(person.url(path));
    let request = request.header("Content-Type", kind).body(body);
    request
        .send()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn c64_forms_with_files_that_are_changed_at_random_are_answered() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let package = package(2, 20_000);
    let token = ("csrf", csrf.as_bytes());
    let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_slice();
    let forms = [
        (
            "/backup/restore",
            multipart(&[token, ("file", b"VIGIE BACKUP"), ("passphrase", b"x")]).1,
        ),
        (
            "/settings/certificate",
            multipart(&[token, ("chain", pem), ("key", pem)]).1,
        ),
        ("/update/send", multipart(&[token, ("file", &package)]).1),
    ];
    for seed in 1..=TRIES {
        let mut random = Random(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (path, good) in &forms {
            let kind = kind(&mut random);
            let body = mutated(good, &mut random);
            let answer = sent(&anne, path, kind, body);
            // The broker in memory has no answer to a backup that comes through.
            let status = answer.status().as_u16();
            assert!(status < 500 || status == 502, "{seed}: {path}: {status}");
            assert!(web.files(".part").is_empty(), "{seed}: {path}");
        }
    }
    let peak = web.peak_of_memory();
    assert!(peak < 64 << 20, "{peak} bytes");
    assert_eq!(anne.get("/update").status(), 200);
}
