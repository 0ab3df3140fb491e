//! What stands around each page.

use super::words;

words! {
    /// The words of the frame, and those that many pages share.
    FrameWords {
        skip: "Skip to the content" / "Aller au contenu",
        pages: "Pages" / "Pages",
        status: "Status" / "État",
        logs: "Logs" / "Journaux",
        settings: "Settings" / "Réglages",
        users: "Users" / "Utilisateurs",
        update: "Update" / "Mise à jour",
        backup: "Backup" / "Sauvegarde",
        power: "Power" / "Alimentation",
        help: "Help" / "Aide",
        log_in: "Log in" / "Se connecter",
        log_out: "Log out" / "Se déconnecter",
        saved: "Saved." / "Enregistré.",
        back: "Back" / "Retour",
        not_allowed: "Not allowed" / "Non autorisé",
        /// With `{role}`.
        needs: "This takes the role {role}; ask somebody who has it." / "Il faut pour cela le rôle {role} ; demandez à quelqu’un qui l’a.",
        viewer: "viewer" / "observateur",
        operator: "operator" / "opérateur",
        administrator: "administrator" / "administrateur",
        wrong_token: "This form has expired; go back, load the page again and try once more." / "Ce formulaire a expiré ; revenez en arrière, rechargez la page et réessayez.",
        ended: "Logged out" / "Déconnecté",
        ended_note: "Your session has ended, and nothing was saved. Log in again; what you had typed stands below, to be copied." / "Votre session est terminée, et rien n’a été enregistré. Reconnectez-vous ; ce que vous aviez saisi est affiché plus bas, pour être copié.",
        ended_typed: "What you had typed" / "Ce que vous aviez saisi",
        expired: "Form expired" / "Formulaire expiré",
    }
}
