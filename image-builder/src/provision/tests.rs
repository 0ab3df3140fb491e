use super::*;

const SECTOR: usize = 2048;
/// Where the file of the answers lies in the test's medium.
const PLACE: usize = 40 * SECTOR;

fn record(name: &[u8], sector: u32, length: u32, flags: u8) -> Vec<u8> {
    let mut record = vec![0; 33];
    record[2..6].copy_from_slice(&sector.to_le_bytes());
    record[10..14].copy_from_slice(&length.to_le_bytes());
    record[25] = flags;
    record[32] = name.len() as u8;
    record.extend(name);
    if name.len().is_multiple_of(2) {
        record.push(0);
    }
    record[0] = record.len() as u8;
    record
}

/// A medium as small as can be: a descriptor, the folder `vigie`, its two files.
fn medium(publisher: &str, file: &str) -> Vec<u8> {
    let manifest = serde_json::json!({
        "product": "vigie", "version": "1.2.3.4", "arch": "amd64", "build_time": 1,
        "root_hash": "00".repeat(32), "hash_offset": 4096, "members": [],
    })
    .to_string();
    let mut bytes = vec![0; PLACE + file.len() + 3 * SECTOR];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(16 * SECTOR, b"\x01CD001");
    put(
        PUBLISHER.get() as usize,
        format!("{publisher:<128}").as_bytes(),
    );
    put(16 * SECTOR + 156, &record(&[0], 20, 2048, 2)[..34]);
    put(17 * SECTOR, b"\xffCD001");
    put(20 * SECTOR, &record(b"VIGIE", 21, 2048, 2));
    let files = [
        record(b"INSTALL.TOML;1", 40, file.len() as u32, 0),
        record(b"PAYLOAD.JSON;1", 30, manifest.len() as u32, 0),
    ];
    put(21 * SECTOR, &files.concat());
    put(30 * SECTOR, manifest.as_bytes());
    put(PLACE, file.as_bytes());
    bytes
}

const ANSWERS: &str = "[target]\nserial = \"A\"\n";

struct Place(tempfile::TempDir);

impl Place {
    fn with(medium: &[u8], answers: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in.iso"), medium).unwrap();
        std::fs::write(dir.path().join("install.toml"), answers).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, out: &str) -> Result<String> {
        make(&Order {
            iso: &self.path("in.iso"),
            answers: &self.path("install.toml"),
            out: &self.path(out),
        })
    }

    /// The files that lie there.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn only_the_file_of_the_answers_changes() {
    let before = medium("VIGIE", &embedded::empty());
    let place = Place::with(&before, ANSWERS);
    assert_eq!(show(&place.path("in.iso")).unwrap(), None);
    assert_eq!(place.make("out.iso").unwrap(), "1.2.3.4");
    assert!(std::fs::read(place.path("in.iso")).unwrap() == before);
    let after = std::fs::read(place.path("out.iso")).unwrap();
    let end = PLACE + embedded::SIZE.get() as usize;
    assert_eq!(after.len(), before.len());
    assert!(after[..PLACE] == before[..PLACE] && after[end..] == before[end..]);
    assert!(after[PLACE..end].starts_with(ANSWERS.as_bytes()));
    let shown = show(&place.path("out.iso")).unwrap().unwrap();
    assert!(shown.starts_with(ANSWERS));
    // The same again; and answers in the place of others.
    place.make("again.iso").unwrap();
    assert!(std::fs::read(place.path("again.iso")).unwrap() == after);
    std::fs::rename(place.path("out.iso"), place.path("in.iso")).unwrap();
    std::fs::write(place.path("install.toml"), "[target]\nserial = \"B\"\n").unwrap();
    place.make("other.iso").unwrap();
    let shown = show(&place.path("other.iso")).unwrap().unwrap();
    assert!(shown.contains("\"B\"") && !shown.contains("\"A\""));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let good = medium("VIGIE", &embedded::empty());
    let other_form = embedded::empty().replace(&schema::form(), "0123456789abcdef");
    let long = format!("{ANSWERS}{}", "#\n".repeat(40_000));
    for (medium, answers, says) in [
        (
            &medium("OTHER", &embedded::empty()),
            ANSWERS,
            "its publisher is \"OTHER\"",
        ),
        (&medium("VIGIE", "short"), ANSWERS, "not 65.5 kB"),
        (
            &medium("VIGIE", &other_form),
            ANSWERS,
            "answers of another form (0123456789abcdef",
        ),
        (&vec![0xd7; 100 * SECTOR], ANSWERS, "no ISO 9660 volume"),
        (&b"short".to_vec(), ANSWERS, "not a medium of ours"),
        (&good, long.as_str(), "is too long"),
        (
            &good,
            "[target]\n",
            "install.toml: line 1: target: no disk is named",
        ),
        (&good, "", "install.toml: line 1"),
    ] {
        let place = Place::with(medium, answers);
        let error = format!("{:#}", place.make("out.iso").unwrap_err());
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!(place.names(), ["in.iso", "install.toml"]);
    }
    let place = Place::with(&good, ANSWERS);
    for taken in ["in.iso", "install.toml"] {
        let error = place.make(taken).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
    }
    assert!(place.make("absent/out.iso").is_err());
    assert!(std::fs::read(place.path("in.iso")).unwrap() == good);
}
