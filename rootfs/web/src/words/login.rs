//! Log-in and first setup.

use super::words;

words! {
    /// The words of the log-in page, of the first setup, and of fields for new passwords.
    LoginWords {
        log_in: "Log in" / "Se connecter",
        name: "Name" / "Nom",
        password: "Password" / "Mot de passe",
        form_expired: "This form has expired; try again." / "Ce formulaire a expiré ; réessayez.",
        nobody_yet: "Nobody administrates this appliance yet." / "Personne n’administre encore cet appareil.",
        to_setup: "Set it up with the code that its console shows" / "Le mettre en service avec le code affiché sur sa console",
        setup: "First setup" / "Mise en service",
        setup_note: "You make the first administrator here. The one-time code stands on the screen of the appliance and on its serial console; where root has a password already, in the menu behind its log-in." / "Vous créez ici le premier administrateur. Le code à usage unique est affiché à l’écran de l’appareil et sur sa console série ; si root a déjà un mot de passe, dans le menu après sa connexion.",
        code: "One-time code" / "Code à usage unique",
        code_note: "Two groups of four, such as ABCD-EFGH." / "Deux groupes de quatre, comme ABCD-EFGH.",
        new_name: "Your name" / "Votre nom",
        new_name_note: "Small letters without accents, digits, dots, dashes; such as anna or j.martin." / "Lettres minuscules sans accent, chiffres, points, tirets ; par exemple anna ou j.martin.",
        new_password: "New password" / "Nouveau mot de passe",
        password_rule: "At least 8 characters. Several words that have nothing to do with each other are better than few odd characters." / "Au moins 8 caractères. Plusieurs mots sans rapport valent mieux que peu de caractères étranges.",
        again: "The same password again" / "Le même mot de passe encore une fois",
        not_the_same: "The two passwords are not the same; type both again." / "Les deux mots de passe diffèrent ; saisissez-les de nouveau.",
        too_short: "The password is too short: it takes at least 8 characters." / "Le mot de passe est trop court : il faut au moins 8 caractères.",
        begin: "Make the administrator" / "Créer l’administrateur",
        strength: "Strength of the password" / "Robustesse du mot de passe",
        weak: "weak" / "faible",
        fair: "fair" / "moyenne",
        strong: "strong" / "bonne",
    }
}
