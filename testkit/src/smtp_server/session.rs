//! One connection: the commands in their order (RFC 5321, section 4.1.4), with the script asked at every step.

use tokio::net::TcpStream;

use super::command::{Command, unknown_parameter};
use super::script::{Reply, Stage};
use super::state::{Session, Transaction};
use super::step::{Subject, Verdict};
use super::wire::{BadLine, Over, TooBig, Wire};
use super::{Security, Shared};
use crate::received::Received;

/// The most recipients of one message; RFC 5321, section 4.5.3.1.8, requires at least 100.
const MAX_RECIPIENTS: usize = 1000;

/// Serves one connection until it is over, whoever ends it.
pub(super) async fn serve(stream: TcpStream, number: usize, shared: &Shared) -> Result<(), Over> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream);
    let implicit = shared.security == Security::Implicit;
    if implicit && let Some(tls) = &shared.tls {
        wire = wire.encrypt(&tls.0).await?;
    }
    let mut session = Session { shared, number, tls: implicit, greeted: false, user: None, transaction: None };
    session.greet(&mut wire).await?;
    loop {
        match wire.read_line().await? {
            Ok(line) => match Command::parse(&line) {
                Ok(Command::StartTls) => wire = session.start_tls(wire).await?,
                Ok(command) => session.obey(command, &mut wire).await?,
                Err(reply) => wire.send(&reply).await?,
            },
            Err(BadLine) => wire.send(&Reply::new(500, "5.5.2 not a line")).await?,
        }
    }
}

impl Session<'_> {
    async fn greet(&mut self, wire: &mut Wire) -> Result<(), Over> {
        match self.verdict(Stage::Connect, Subject::default(), wire).await? {
            Verdict::Accept => wire.send(&Reply::new(220, "testkit.example ESMTP")).await,
            Verdict::Reply(reply) => {
                wire.send(&reply).await?;
                if reply.is_positive() { Ok(()) } else { Err(wire.close().await) }
            }
            Verdict::StoreThenDrop => Err(Over),
        }
    }

    async fn start_tls(&mut self, mut wire: Wire) -> Result<Wire, Over> {
        let Some(tls) = self.shared.tls.as_ref().filter(|_| !self.tls) else {
            wire.send(&Reply::new(503, "5.5.1 no TLS here")).await?;
            return Ok(wire);
        };
        let ready = Reply::new(220, "2.0.0 go ahead");
        if !self.answer(Stage::StartTls, ready, &mut wire).await? {
            return Ok(wire);
        }
        let wire = wire.encrypt(&tls.0).await?;
        // RFC 3207, section 4.2: nothing of what was said before counts.
        (self.tls, self.greeted, self.user, self.transaction) = (true, false, None, None);
        Ok(wire)
    }

    async fn obey(&mut self, command: Command, wire: &mut Wire) -> Result<(), Over> {
        match command {
            Command::Ehlo => self.hello(Reply::new(250, self.extensions()), wire).await,
            Command::Helo => self.hello(Reply::new(250, "testkit.example"), wire).await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial, wire).await,
            Command::Mail { sender, parameters } => self.mail(sender, parameters, wire).await,
            Command::Rcpt { recipient } => self.rcpt(recipient, wire).await,
            Command::Data => self.data(wire).await,
            Command::Reset => {
                self.transaction = None;
                self.answer(Stage::Reset, Reply::new(250, "2.0.0 reset"), wire).await.map(drop)
            }
            Command::Noop => self.answer(Stage::Noop, Reply::new(250, "2.0.0 ok"), wire).await.map(drop),
            Command::Verify => wire.send(&Reply::new(252, "2.1.5 send some mail and see")).await,
            Command::Quit => {
                self.answer(Stage::Quit, Reply::new(221, "2.0.0 bye"), wire).await?;
                Err(wire.close().await)
            }
            // Taken care of by `serve`, since it replaces the connection.
            Command::StartTls => Ok(()),
        }
    }

    async fn hello(&mut self, welcome: Reply, wire: &mut Wire) -> Result<(), Over> {
        self.transaction = None;
        if self.answer(Stage::Hello, welcome, wire).await? {
            self.greeted = true;
        }
        Ok(())
    }

    fn extensions(&self) -> String {
        let mut lines =
            vec!["testkit.example".to_owned(), "PIPELINING".to_owned(), format!("SIZE {}", self.shared.max_message)];
        if self.shared.eight_bit_mime {
            lines.push("8BITMIME".to_owned());
        }
        if self.shared.smtputf8 {
            lines.push("SMTPUTF8".to_owned());
        }
        if self.shared.tls.is_some() && !self.tls {
            lines.push("STARTTLS".to_owned());
        }
        if self.offers_auth() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        lines.join("\n")
    }

    async fn mail(&mut self, sender: String, parameters: Vec<String>, wire: &mut Wire) -> Result<(), Over> {
        if let Some(refusal) = self.refusal_of_mail(&sender, &parameters) {
            return wire.send(&refusal).await;
        }
        let subject = Subject { sender: Some(&sender), ..Subject::default() };
        if self.answer_about(Stage::Mail, subject, Reply::new(250, "2.1.0 ok"), wire).await? {
            self.transaction = Some(Transaction { sender, parameters, recipients: Vec::new() });
        }
        Ok(())
    }

    fn refusal_of_mail(&self, sender: &str, parameters: &[String]) -> Option<Reply> {
        if !self.greeted {
            return Some(Reply::new(503, "5.5.1 say hello first"));
        }
        if self.shared.security == Security::StartTlsRequired && !self.tls {
            return Some(Reply::new(530, "5.7.0 STARTTLS first"));
        }
        if self.shared.login.is_some() && self.user.is_none() {
            return Some(Reply::new(530, "5.7.0 authentication required"));
        }
        if self.transaction.is_some() {
            return Some(Reply::new(503, "5.5.1 one MAIL at a time"));
        }
        for parameter in parameters {
            let known = match parameter.as_str() {
                "SMTPUTF8" => self.shared.smtputf8,
                "BODY=7BIT" | "BODY=8BITMIME" => self.shared.eight_bit_mime,
                size => match size.strip_prefix("SIZE=").map(str::parse::<usize>) {
                    Some(Ok(size)) if size > self.shared.max_message => return Some(too_big()),
                    Some(Ok(_)) => true,
                    _ => false,
                },
            };
            if !known {
                return Some(unknown_parameter());
            }
        }
        (!address_allowed(sender, parameters)).then(needs_smtputf8)
    }

    async fn rcpt(&mut self, recipient: String, wire: &mut Wire) -> Result<(), Over> {
        let refusal = match &self.transaction {
            None => Some(Reply::new(503, "5.5.1 MAIL first")),
            Some(transaction) if transaction.recipients.len() >= MAX_RECIPIENTS => {
                Some(Reply::new(452, "4.5.3 too many recipients"))
            }
            Some(transaction) => (!address_allowed(&recipient, &transaction.parameters)).then(needs_smtputf8),
        };
        if let Some(refusal) = refusal {
            return wire.send(&refusal).await;
        }
        let subject = Subject { recipient: Some(&recipient), ..Subject::default() };
        if self.answer_about(Stage::Rcpt, subject, Reply::new(250, "2.1.5 ok"), wire).await?
            && let Some(transaction) = &mut self.transaction
        {
            transaction.recipients.push(recipient);
        }
        Ok(())
    }

    async fn data(&mut self, wire: &mut Wire) -> Result<(), Over> {
        match &self.transaction {
            None => return wire.send(&Reply::new(503, "5.5.1 MAIL first")).await,
            Some(transaction) if transaction.recipients.is_empty() => {
                return wire.send(&Reply::new(554, "5.5.1 no valid recipients")).await;
            }
            Some(_) => {}
        }
        let begin = Reply::new(354, "end with a dot on a line of its own");
        if !self.answer(Stage::Data, begin, wire).await? {
            return Ok(());
        }
        wire.wait_for_bytes().await?;
        match self.verdict(Stage::Body, Subject::default(), wire).await? {
            Verdict::Accept => {}
            Verdict::Reply(reply) => {
                wire.send(&reply).await?;
                return Err(wire.close().await);
            }
            Verdict::StoreThenDrop => return Err(Over),
        }
        let message = match wire.read_message().await? {
            Ok(message) => message,
            Err(TooBig) => {
                wire.send(&too_big()).await?;
                return Err(wire.close().await);
            }
        };
        self.end_of_data(message, wire).await
    }

    async fn end_of_data(&mut self, message: Vec<u8>, wire: &mut Wire) -> Result<(), Over> {
        let subject = Subject { data: &message, ..Subject::default() };
        let verdict = self.verdict(Stage::EndOfData, subject, wire).await?;
        // The transaction ends here whatever the answer is (RFC 5321, section 4.1.1.4).
        let transaction = self.transaction.take();
        let store = match &verdict {
            Verdict::Accept | Verdict::StoreThenDrop => true,
            Verdict::Reply(reply) => reply.is_positive(),
        };
        if let Some(transaction) = transaction.filter(|_| store && self.shared.keeps) {
            self.store(transaction, message);
        }
        match verdict {
            Verdict::Accept => wire.send(&Reply::new(250, "2.0.0 taken")).await,
            Verdict::Reply(reply) => self.send_scripted(&reply, wire).await,
            Verdict::StoreThenDrop => Err(Over),
        }
    }

    fn store(&self, transaction: Transaction, data: Vec<u8>) {
        let received = Received {
            envelope_from: transaction.sender,
            recipients: transaction.recipients,
            mail_parameters: transaction.parameters,
            data,
            connection: self.number,
            tls: self.tls,
            authenticated: self.user.clone(),
        };
        self.shared.log.send_modify(|log| log.received.push(received));
    }
}

fn too_big() -> Reply {
    Reply::new(552, "5.3.4 message too big")
}

fn needs_smtputf8() -> Reply {
    Reply::new(553, "5.6.7 a non-ASCII address needs SMTPUTF8")
}

/// RFC 6531, section 3.5: only a transaction that said SMTPUTF8 may name such addresses.
fn address_allowed(address: &str, parameters: &[String]) -> bool {
    address.is_ascii() || parameters.iter().any(|parameter| parameter == "SMTPUTF8")
}
