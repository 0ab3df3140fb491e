//! Backup, power, the certificate.

use super::words;

words! {
    /// The words of the pages that keep the appliance going.
    UpkeepWords {
        backup: "Backup" / "Sauvegarde",
        backup_note: "One file with all settings, users and passwords' hashes; no recordings. Keep it where nobody else reads it, or give it a passphrase." / "Un fichier avec tous les réglages, les utilisateurs et les empreintes des mots de passe ; pas d’enregistrements. Gardez-le là où personne d’autre ne le lit, ou donnez-lui une phrase secrète.",
        make: "Make a backup" / "Faire une sauvegarde",
        passphrase: "Passphrase (may stay empty)" / "Phrase secrète (peut rester vide)",
        passphrase_again: "The same passphrase again" / "La même phrase secrète encore une fois",
        passphrase_differs: "The two passphrases are not the same; type both again." / "Les deux phrases secrètes diffèrent ; saisissez-les de nouveau.",
        download: "Download the backup" / "Télécharger la sauvegarde",
        restore: "Restore a backup" / "Restaurer une sauvegarde",
        restore_note: "It replaces all settings and users. What is in use now stays in the history of the settings." / "Elle remplace tous les réglages et utilisateurs. Ce qui est en vigueur reste dans l’historique des réglages.",
        file: "File of the backup" / "Fichier de la sauvegarde",
        file_passphrase: "Its passphrase, if it has one" / "Sa phrase secrète, si elle en a une",
        no_file: "Choose a file first." / "Choisissez d’abord un fichier.",

        power: "Power" / "Alimentation",
        restart: "Restart" / "Redémarrer",
        restart_note: "Recording stops for about a minute." / "L’enregistrement s’arrête environ une minute.",
        restart_sure: "Yes, restart the appliance now" / "Oui, redémarrer l’appareil maintenant",
        off: "Switch off" / "Éteindre",
        off_note: "Recording stops until somebody presses the button of the appliance." / "L’enregistrement s’arrête jusqu’à ce que quelqu’un appuie sur le bouton de l’appareil.",
        off_sure: "Yes, switch the appliance off now" / "Oui, éteindre l’appareil maintenant",
        not_sure: "Tick the box to say that you are sure." / "Cochez la case pour dire que vous êtes sûr.",
        going_off: "The appliance switches itself off." / "L’appareil s’éteint.",
        restarting: "The appliance restarts. This page comes back when it is ready; then log in again." / "L’appareil redémarre. Cette page revient quand il est prêt ; connectez-vous alors de nouveau.",
        check: "Check of the volumes" / "Contrôle des volumes",
        check_note: "At the next start all volumes are checked, whether they seem to need it or not. That may take long on large disks; recording begins afterwards." / "Au prochain démarrage, tous les volumes sont contrôlés, qu’ils semblent en avoir besoin ou non. Cela peut durer longtemps sur de grands disques ; l’enregistrement commence ensuite.",
        check_on: "All volumes are checked at the next start." / "Tous les volumes seront contrôlés au prochain démarrage.",
        check_off: "No check is asked for." / "Aucun contrôle n’est demandé.",
        check_do: "Check all volumes at the next start" / "Contrôler tous les volumes au prochain démarrage",
        check_undo: "Do not check them" / "Ne pas les contrôler",

        certificate: "Certificate" / "Certificat",
        certificate_note: "Browsers warn of a certificate that the appliance has made itself; compare its fingerprint with what the browser shows. With one from an authority that your browsers trust, they do not." / "Les navigateurs avertissent d’un certificat que l’appareil a fait lui-même ; comparez son empreinte à ce que montre le navigateur. Avec celui d’une autorité que vos navigateurs connaissent, ils n’avertissent pas.",
        self_made: "The appliance made its certificate itself." / "L’appareil a fait lui-même son certificat.",
        own_made: "Your own certificate is in use." / "Votre propre certificat est utilisé.",
        fingerprint: "SHA-256 fingerprint" / "Empreinte SHA-256",
        own: "Install your own certificate" / "Installer votre propre certificat",
        chain: "Certificate, and those that vouch for it, in PEM" / "Certificat, et ceux qui s’en portent garants, en PEM",
        key: "Its private key, in PEM, without passphrase" / "Sa clé privée, en PEM, sans phrase secrète",
        install: "Install" / "Installer",
        installed: "Installed: new connections use it. Load the page again to see it." / "Installé : les nouvelles connexions l’utilisent. Rechargez la page pour le voir.",
        back_to_self_made: "Go back to a certificate of the appliance’s own" / "Revenir au certificat de l’appareil",
        no_certificate: "There is no certificate in PEM in the first file: it has a line BEGIN CERTIFICATE." / "Il n’y a pas de certificat en PEM dans le premier fichier : il contient une ligne BEGIN CERTIFICATE.",
        no_key: "There is no private key in PEM without passphrase in the second file." / "Il n’y a pas de clé privée en PEM sans phrase secrète dans le second fichier.",
        not_together: "The key does not belong to the certificate, or is of a kind that is not supported; use ECDSA or RSA." / "La clé n’appartient pas au certificat, ou est d’un genre non pris en charge ; utilisez ECDSA ou RSA.",
        not_kept: "The certificate could not be written; check the state volume. The former one stays in use." / "Le certificat n’a pas pu être écrit ; vérifiez le volume d’état. Le précédent reste utilisé.",
    }
}
