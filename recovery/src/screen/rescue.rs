//! How an expert is let in: by the address that the network gives, or by one that is typed.

use std::io;
use std::net::IpAddr;

use vigie_prompt::{Answer, Field, Prompter};
use vigie_settings::Cidr;

use super::action::Action;
use super::{Screen, given};
use crate::message::Message;
use crate::rescue::network::Network;

impl Screen<'_> {
    /// Which address, and through which router; none is what the network gives.
    pub(super) fn ask_rescue(&mut self, prompter: &mut dyn Prompter) -> io::Result<Option<Action>> {
        self.page(prompter, &Message::new("rescue.title"))?;
        given!(self.tell(prompter, &Message::new("rescue.what")));
        let is_address = |text: &str| text.parse::<Cidr>().map(drop).map_err(drop);
        let wrong = self.say("rescue.no-cidr");
        let typed = self.ask_line(prompter, "rescue.address", &|text| {
            is_address(text).map_err(|()| wrong.clone())
        });
        let typed = given!(typed);
        let Some(address) = typed else {
            return Ok(Some(Action::rescue(None, None)));
        };
        let Ok(network) = address.parse::<Cidr>() else {
            return Ok(None);
        };
        let language = self.language;
        let wrong = self.say("rescue.no-router");
        let gateway = self.ask_line(prompter, "rescue.gateway", &|text| {
            let gateway = text.parse::<IpAddr>().map_err(|_| wrong.clone())?;
            let network = Network::new(network, Some(gateway));
            network
                .map(drop)
                .map_err(|refusal| refusal.message().to(language))
        });
        let gateway = given!(gateway);
        Ok(Some(Action::rescue(Some(&address), gateway.as_deref())))
    }

    /// A line that may be empty; none then.
    fn ask_line(
        &mut self,
        prompter: &mut dyn Prompter,
        label: &'static str,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> io::Result<Answer<Option<String>>> {
        let label = self.say(label);
        let typed = prompter.line(&Field {
            label: &label,
            initial: "",
            optional: true,
            mend: true,
            check: &|text: &str| match text.trim() {
                "" => Ok(()),
                text => check(text),
            },
        })?;
        Ok(match typed {
            Answer::Given(text) => {
                let text = text.trim();
                Answer::Given((!text.is_empty()).then(|| text.to_owned()))
            }
            Answer::Back => Answer::Back,
        })
    }
}
