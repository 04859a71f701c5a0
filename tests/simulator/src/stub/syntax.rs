//! How expressions are written, from `or` which binds least to words and brackets.

use serde_json::Value;

use super::expression::Expression;

type Parsed = Result<Expression, String>;

pub(super) fn parse(text: &str) -> Parsed {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(format!("{token:?} is too much")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(u64),
    /// A path, a function's name, or a word such as `and`.
    Name(String),
    /// `==`, `!=` or one character.
    Sign(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [&str; 7] = ["==", "!=", "(", ")", "[", "]", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = |is_part: fn(char) -> bool| rest.find(|one| !is_part(one)).unwrap_or(rest.len());
        let (token, used) = if first == '\'' {
            let end = rest[1..].find('\'').ok_or("a text without an end")?;
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else if first.is_ascii_digit() {
            let end = length(|one| one.is_ascii_digit());
            let number = rest[..end].parse().map_err(|_| "too large a number")?;
            (Token::Number(number), end)
        } else if first.is_ascii_alphabetic() {
            let end = length(|one| one.is_ascii_alphanumeric() || "._-".contains(one));
            (Token::Name(rest[..end].to_owned()), end)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("no idea what {first:?} is"))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    /// Steps over this sign, if it is next.
    fn sign(&mut self, sign: &'static str) -> bool {
        let is_next = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is_next);
        is_next
    }

    /// Steps over this word, if it is next.
    fn word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Name(name)) if name == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Parsed {
        let mut one = self.all()?;
        while self.word("or") {
            one = Expression::Or(Box::new(one), Box::new(self.all()?));
        }
        Ok(one)
    }

    fn all(&mut self) -> Parsed {
        let mut one = self.turned()?;
        while self.word("and") {
            one = Expression::And(Box::new(one), Box::new(self.turned()?));
        }
        Ok(one)
    }

    fn turned(&mut self) -> Parsed {
        if self.word("not") {
            return Ok(Expression::Not(Box::new(self.turned()?)));
        }
        self.compared()
    }

    fn compared(&mut self) -> Parsed {
        let one = Box::new(self.term()?);
        if self.sign("==") {
            return Ok(Expression::Equal(one, Box::new(self.term()?)));
        }
        if self.sign("!=") {
            let equal = Expression::Equal(one, Box::new(self.term()?));
            return Ok(Expression::Not(Box::new(equal)));
        }
        if self.word("in") {
            return Ok(Expression::In(one, Box::new(self.term()?)));
        }
        if self.word("not") {
            if !self.word("in") {
                return Err("`not` without `in`".to_owned());
            }
            let contained = Expression::In(one, Box::new(self.term()?));
            return Ok(Expression::Not(Box::new(contained)));
        }
        Ok(*one)
    }

    fn term(&mut self) -> Parsed {
        let mut one = match self.next().ok_or("something is missing")? {
            Token::Text(text) => Expression::Literal(text.into()),
            Token::Number(number) => Expression::Literal(number.into()),
            Token::Name(name) if name == "true" || name == "false" => Expression::Literal(Value::Bool(name == "true")),
            Token::Name(name) if self.sign("(") => Expression::call(&name, self.list(")")?)?,
            Token::Name(name) => Expression::path(&name)?,
            Token::Sign("(") => {
                let inner = self.any()?;
                if !self.sign(")") {
                    return Err("a bracket is not closed".to_owned());
                }
                inner
            }
            Token::Sign("[") => Expression::List(self.list("]")?),
            Token::Sign(sign) => return Err(format!("`{sign}` out of place")),
        };
        while self.sign("[") {
            let key = self.any()?;
            if !self.sign("]") {
                return Err("a bracket is not closed".to_owned());
            }
            one = Expression::Index(Box::new(one), Box::new(key));
        }
        Ok(one)
    }

    /// What stands between commas, to the sign that ends it.
    fn list(&mut self, end: &'static str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        while !self.sign(end) {
            items.push(self.any()?);
            if !self.sign(",") && self.peek() != Some(&Token::Sign(end)) {
                return Err("a bracket is not closed".to_owned());
            }
        }
        Ok(items)
    }
}
