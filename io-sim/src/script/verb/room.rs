//! `room NAME [at DOMAIN]`: how a room is called in this file.

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};

#[derive(Debug)]
struct Called {
    name: String,
    service: Option<String>,
}

/// `room NAME [at DOMAIN]`: a short name for an address; nobody has created the room yet
pub(super) fn room(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let name = String::from(words.word("the name of the room")?);
    let service = if words.take("at") { Some(words.word("the domain")?.into()) } else { None };
    if !scope.rooms.insert(name.clone()) {
        return Err(format!("room {name} is named twice"));
    }
    Ok(Box::new(Called { name, service }))
}

impl Act for Called {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let service = self.service.clone().unwrap_or_else(|| format!("rooms.{}", stage.domain()));
        stage.rooms.insert(self.name.clone(), format!("{}@{service}", self.name));
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}
