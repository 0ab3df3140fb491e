//! Help, about, and the forms of registration and support.

use super::words;

words! {
    /// The words of the help pages.
    HelpWords {
        title: "Help" / "Aide",
        about: "About this appliance" / "À propos de cet appareil",
        version: "Version" / "Version",
        hostname: "Host name" / "Nom d’hôte",
        product: "Machine" / "Machine",
        serial: "Serial number" / "Numéro de série",
        signature: "Hardware signature" / "Signature matérielle",
        unknown: "unknown" / "inconnu",
        how: "How to" / "Comment faire",
        how_status: "Status says whether the appliance is well, and what to see to." / "État dit si l’appareil va bien, et ce dont il faut s’occuper.",
        how_network: "A change of the network goes away by itself after 60 seconds unless you confirm it." / "Un changement du réseau disparaît de lui-même après 60 secondes, sauf si vous le confirmez.",
        how_password: "Whoever has lost the last administrator’s password sets one at the console." / "Qui a perdu le mot de passe du dernier administrateur en définit un à la console.",
        how_support: "For support, send the two files below." / "Pour l’assistance, envoyez les deux fichiers ci-dessous.",
        licences: "Licences of the software inside" / "Licences des logiciels contenus",
        licences_note: "Each program and library, and the text of its licence." / "Chaque programme et bibliothèque, et le texte de sa licence.",
        licences_own: "Of Vigie itself" / "De Vigie",
        licences_crates: "Libraries of its programs" / "Bibliothèques de ses programmes",
        licences_packages: "Packages of the system" / "Paquets du système",
        licences_none: "The texts are not on this system." / "Les textes ne sont pas sur ce système.",
        registration: "Registration" / "Enregistrement",
        registration_note: "This makes a file to send to whoever sold you the appliance. Nothing is sent by itself." / "Ceci produit un fichier à envoyer à qui vous a vendu l’appareil. Rien n’est envoyé tout seul.",
        support: "Support request" / "Demande d’assistance",
        support_note: "This makes a file that says what is wrong and which appliance it is. Send the file of logs with it." / "Ceci produit un fichier qui dit ce qui ne va pas et de quel appareil il s’agit. Envoyez avec lui le fichier des journaux.",
        organisation: "Organisation" / "Organisme",
        site: "Site" / "Site",
        contact: "Person to ask for" / "Personne à contacter",
        email: "Mail address" / "Adresse électronique",
        phone: "Telephone" / "Téléphone",
        message: "What happens, since when, and what was done before" / "Ce qui se passe, depuis quand, et ce qui a été fait avant",
        make: "Download the file" / "Télécharger le fichier",
        bundle: "Logs for support" / "Journaux pour l’assistance",
        bundle_note: "The logs and the state of the appliance, without passwords and keys." / "Les journaux et l’état de l’appareil, sans mots de passe ni clés.",
        bundle_get: "Download the logs" / "Télécharger les journaux",
    }
}
