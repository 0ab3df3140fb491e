use std::os::unix::fs::PermissionsExt;

use super::*;

const DEFINITION: &str = include_str!("../../../rootfs/appliance.toml");

fn definition(more: &str) -> Definition {
    Definition::parse(&format!("{DEFINITION}{more}"), Path::new("a.toml")).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_key_is_made_for_its_owner_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("release.pem");
    let made = generate("release \"2\"", &out).unwrap();
    assert_eq!(mode(&out), 0o600);
    assert_eq!(mode(&made.public_file), 0o644);
    assert_eq!(names(folder.path()), ["release.pem", "release.pem.pub"]);
    // What is printed goes into the definition as it is, and holds the public half alone.
    let fragment = std::fs::read_to_string(&made.public_file).unwrap();
    assert_eq!(fragment, made.fragment);
    let first = fragment.lines().next().unwrap();
    let public = load_public(std::slice::from_ref(&made.public_file)).unwrap();
    let id = public[0].public.id();
    assert_eq!((made.id, first), (id, &*format!("# id {id}")));
    let definition = definition(&fragment);
    let key = &definition.update.keys[0];
    assert_eq!(key.name.get_ref(), "release \"2\"");
    assert_eq!(
        *key.public.get_ref(),
        PublicKey::of(&load(&out).unwrap()),
        "{fragment}"
    );
    let before = std::fs::read(&out).unwrap();
    for path in [&out, &made.public_file] {
        let error = generate("x", path).unwrap_err().to_string();
        assert!(error.contains("never overwritten"), "{error}");
        // The public half in the way is refused too.
        std::fs::rename(path, folder.path().join("away")).unwrap();
        if path == &out {
            let error = generate("x", path).unwrap_err().to_string();
            assert!(error.contains("release.pem.pub exists"), "{error}");
        }
        std::fs::rename(folder.path().join("away"), path).unwrap();
    }
    assert_eq!(std::fs::read(&out).unwrap(), before);
    assert_eq!(names(folder.path()), ["release.pem", "release.pem.pub"]);
}

#[test]
fn a_leaked_key_is_revoked_by_the_id_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| generate(name, &folder.path().join(name)).unwrap();
    let (leaked, new) = (make("leaked.pem"), make("new.pem"));
    let public = std::fs::read_to_string(&leaked.public_file).unwrap();
    let id = public.lines().find_map(|line| line.strip_prefix("# id "));
    let revoked = format!("revoked = [\"{}\"]", id.unwrap());
    let text = DEFINITION.replacen("revoked = []", &revoked, 1) + &new.fragment;
    let definition = Definition::parse(&text, Path::new("a.toml")).unwrap();
    let trust = Trust::new(&definition, Path::new("none"), true).unwrap();
    assert!(trust.ring.revoked.contains(&leaked.id));
    // Neither is a reason to look for more keys: one was given, and does not count.
    let stranger = make("stranger.pem");
    for (file, made, why) in [
        ("leaked.pem", &leaked, "and revoked"),
        ("stranger.pem", &stranger, "and not among them"),
    ] {
        let error = trust.signers(&[folder.path().join(file)]).unwrap_err();
        let error = error.to_string();
        let said = format!("{file} ({}) is given, {why}", made.id);
        assert!(
            error.contains("0 of 1") && error.ends_with(&said),
            "{error}"
        );
        assert!(error.contains(&new.id.to_string()), "{error}");
    }
    assert_eq!(
        trust
            .signers(&[folder.path().join("new.pem")])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_public_half_does_not_sign_and_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let made = generate("x", &folder.path().join("r1.pem")).unwrap();
    let of_openssl = folder.path().join("other.pem");
    std::fs::write(&of_openssl, "-----BEGIN PUBLIC KEY-----\nx\n").unwrap();
    for path in [made.public_file, of_openssl] {
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("the public half"), "{error}");
    }
}

#[test]
fn a_key_is_put_into_no_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = generate("x", &folder.path().join("nodir/x.pem")).unwrap_err();
    assert!(error.to_string().contains("nodir is no folder"), "{error}");
    assert!(names(folder.path()).is_empty());
    // The file's name was forgotten.
    for out in ["", "nodir/"] {
        let error = generate("x", &folder.path().join(out)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("is a folder's name") && error.contains("release-1.pem"),
            "{error}"
        );
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn two_keys_are_never_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str| {
        let path = folder.path().join(name);
        generate(name, &path).unwrap();
        PublicKey::of(&load(&path).unwrap())
    };
    assert_ne!(key("a"), key("b"));
}

#[test]
fn c38_what_is_no_key_is_refused_without_quoting_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let secret = "MC4CAQAwBQYDK2VwBCIEI";
    for text in [
        "",
        secret,
        &format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("key.pem"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(load(&path).is_err());
}

/// `openssl genpkey -algorithm ed25519`, of the first secret key in RFC 8032, section 7.1.
const OF_OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn keys_have_the_form_that_openssl_makes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, OF_OPENSSL).unwrap();
    let secret = load(&path).unwrap();
    assert_eq!(
        PublicKey::of(&secret).to_string(),
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    );
    let written = secret_file(&secret, &path).unwrap();
    assert_eq!(std::fs::read_to_string(written.path()).unwrap(), OF_OPENSSL);
}

#[test]
fn a_development_key_is_made_once_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/development.pem");
    let trust = || Trust::new(&definition(""), &path, false).unwrap();
    let first = trust();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(names(path.parent().unwrap()), ["development.pem"]);
    let key = &first.ring.keys[0];
    assert!(key.development && first.ring.keys.len() == 1);
    assert_eq!(
        key.public,
        PublicKey::of(&first.development.as_ref().unwrap().secret)
    );
    assert_eq!(trust().ring, first.ring);
    // The list is one that the appliance reads.
    let text = toml::to_string(&first.ring).unwrap();
    assert_eq!(Keyring::from_toml(&text).unwrap(), first.ring);
}

#[test]
fn c39_a_release_takes_no_development_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/development.pem");
    let error = Trust::new(&definition(""), &path, true).unwrap_err();
    assert!(error.to_string().contains("keygen"), "{error}");
    assert!(error.is::<crate::definition::DefinitionError>());
    assert!(!path.exists(), "a release has made a development key");

    let made = generate("release", &folder.path().join("release.pem")).unwrap();
    let real = definition(&made.fragment);
    for release in [false, true] {
        let trust = Trust::new(&real, &path, release).unwrap();
        assert!(trust.development.is_none());
        assert!(trust.ring.keys.iter().all(|key| !key.development));
    }
    assert!(!path.exists(), "a development key nobody needs");

    // Copied into the definition by hand, it is still found.
    let development = DevelopmentKey::at(&path).unwrap();
    let copied = fragment("release", PublicKey::of(&development.secret)).unwrap();
    let text = format!("{DEFINITION}{copied}");
    let file = folder.path().join("appliance.toml");
    std::fs::write(&file, &text).unwrap();
    let error = Trust::new(&Definition::load(&file).unwrap(), &path, true).unwrap_err();
    let line = text.lines().count();
    assert!(
        error
            .to_string()
            .contains(&format!("appliance.toml:{line}: update.key")),
        "{error}"
    );
    assert!(error.is::<crate::definition::DefinitionError>());
}
