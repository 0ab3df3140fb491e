//! Users, and one's own account.

use super::words;

words! {
    /// The words of the users' page and of one's own account.
    UsersWords {
        title: "Users" / "Utilisateurs",
        note: "Who may use this web interface, and as what. A viewer looks; an operator reads the logs, too; an administrator does everything." / "Qui peut utiliser cette interface web, et à quel titre. L’observateur regarde ; l’opérateur lit aussi les journaux ; l’administrateur fait tout.",
        list: "Users" / "Utilisateurs",
        none: "There are none yet. Make an administrator first; root of the console then no longer opens these pages." / "Il n’y en a pas encore. Créez d’abord un administrateur ; root, celui de la console, n’ouvre alors plus ces pages.",
        disabled: "disabled" / "désactivé",
        you: "you" / "vous",
        /// With `{name}`.
        change_of: "Change {name}" / "Modifier {name}",
        name: "Name" / "Nom",
        name_note: "Small letters without accents, digits, dots, dashes; such as anna or j.martin." / "Lettres minuscules sans accent, chiffres, points, tirets ; par exemple anna ou j.martin.",
        role: "Role" / "Rôle",
        language: "Language" / "Langue",
        language_default: "that of the appliance" / "celle de l’appareil",
        keep_out: "Disabled: may not log in" / "Désactivé : ne peut pas se connecter",
        password_kept: "New password (leave empty to keep the present one)" / "Nouveau mot de passe (laisser vide pour garder l’actuel)",
        again: "The same password again" / "Le même mot de passe encore une fois",
        save: "Save" / "Enregistrer",
        /// With `{name}`.
        end_sessions: "End all sessions of {name}" / "Terminer toutes les sessions de {name}",
        /// With `{name}`.
        remove: "Remove {name}" / "Supprimer {name}",
        /// With `{name}`.
        remove_sure: "Yes, {name} is to be removed" / "Oui, {name} doit être supprimé",
        not_sure: "Tick the box to say that you are sure." / "Cochez la case pour dire que vous êtes sûr.",
        add: "Add a user" / "Ajouter un utilisateur",
        accounts: "Accounts of the system" / "Comptes du système",
        accounts_note: "root opens the console and SSH; service sends update packages by scp and does nothing else." / "root ouvre la console et SSH ; service envoie des paquets de mise à jour par scp et ne fait rien d’autre.",
        account: "Account" / "Compte",
        own: "Your own present password" / "Votre propre mot de passe actuel",
        set_password: "Set the password" / "Définir le mot de passe",

        my_account: "My account" / "Mon compte",
        /// With `{name}` and `{role}`.
        you_are: "You are logged in as {name}, role {role}." / "Vous êtes connecté en tant que {name}, rôle {role}.",
        my_password: "My password" / "Mon mot de passe",
        old: "Present password" / "Mot de passe actuel",
        my_password_note: "Your other sessions end when it is changed." / "Vos autres sessions se terminent quand il est changé.",
        my_sessions: "My sessions" / "Mes sessions",
        my_sessions_note: "If somebody else may be using one of them. This one goes on." / "Si quelqu’un d’autre peut en utiliser une. Celle-ci continue.",
        end_mine: "End all my other sessions" / "Terminer toutes mes autres sessions",
        my_language: "Language of the pages" / "Langue des pages",
        my_language_note: "For this browser." / "Pour ce navigateur.",
        choose: "Choose" / "Choisir",
    }
}
