//! Whether a fixture is whole: what it names is there. Errors name the rule.

use super::fixture::{Action, Fixture, Kind, Rule};

/// What stands before a name in an expression, and what has that name.
const NAMING: [(&str, &str); 4] = [("option.", "option"), ("find('", "kind"), ("ever('", "kind"), ("all('", "kind")];

impl Fixture {
    /// Whether all that is named is there.
    pub(super) fn check(&self) -> Result<(), String> {
        self.answer_is_there(&self.unknown).map_err(|error| format!("unknown: {error}"))?;
        for refusal in &self.refuse {
            self.answer_is_there(&refusal.answer).map_err(|error| format!("refuse: {error}"))?;
        }
        for (name, kind) in &self.kinds {
            self.check_kind(kind).map_err(|error| format!("kind {name}: {error}"))?;
        }
        for (number, seed) in self.seeds.iter().enumerate() {
            self.check_action(seed).map_err(|error| format!("seed {}: {error}", number + 1))?;
        }
        for rule in &self.rules {
            self.check_rule(rule).map_err(|error| format!("rule \"{}\": {error}", rule.name))?;
        }
        Ok(())
    }

    /// Whether the options and kinds are there that the expressions of a file name: what is not there is null, and
    /// nobody would notice.
    pub(super) fn check_names(&self, text: &str) -> Result<(), String> {
        let is_part = |one: char| one.is_ascii_alphanumeric() || one == '_';
        let is_missing = |what, name: &str| match what {
            "option" => !self.options.contains_key(name),
            _ => !self.kinds.contains_key(name),
        };
        for (number, line) in text.lines().enumerate() {
            for (mark, what) in NAMING {
                let named = line.split(mark).skip(1);
                let mut named = named.filter_map(|rest| rest.split(|one| !is_part(one)).next());
                if let Some(name) = named.find(|name| !name.is_empty() && is_missing(what, name)) {
                    return Err(format!("line {}: there is no {what} {name}", number + 1));
                }
            }
        }
        Ok(())
    }

    fn check_kind(&self, kind: &Kind) -> Result<(), String> {
        self.answer_is_there(&kind.missing)?;
        for (life, steps) in &kind.life {
            for (number, step) in steps.iter().enumerate() {
                let is_last = number + 1 == steps.len();
                if step.lasts.is_some() == is_last {
                    return Err(format!("life {life}: each step but the last lasts `for` an option"));
                }
            }
        }
        let lasting = kind.life.values().flatten().filter_map(|step| step.lasts.as_ref());
        match lasting.chain(&kind.lag).find(|option| !self.options.contains_key(*option)) {
            Some(option) => Err(format!("there is no option {option}")),
            None => Ok(()),
        }
    }

    fn check_rule(&self, rule: &Rule) -> Result<(), String> {
        let answers = rule.refuse.iter().map(|refusal| &refusal.answer);
        answers.chain([&rule.answer]).try_for_each(|name| self.answer_is_there(name))?;
        if let Some(list) = &rule.list {
            self.kind_is_there(&list.of)?;
        }
        rule.actions.iter().try_for_each(|action| self.check_action(action))
    }

    fn check_action(&self, action: &Action) -> Result<(), String> {
        let ((Some(kind), None) | (None, Some(kind))) = (&action.create, &action.find) else {
            return Err("an action either creates or finds".to_owned());
        };
        let kind = self.kind_is_there(kind)?;
        match &action.life {
            Some(life) if !kind.life.contains_key(life) => Err(format!("there is no life {life}")),
            _ => Ok(()),
        }
    }

    fn kind_is_there(&self, name: &str) -> Result<&Kind, String> {
        self.kinds.get(name).ok_or_else(|| format!("there is no kind {name}"))
    }

    fn answer_is_there(&self, name: &str) -> Result<(), String> {
        match self.answers.contains_key(name) {
            true => Ok(()),
            false => Err(format!("there is no answer {name}")),
        }
    }
}
