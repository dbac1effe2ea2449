"""Programs in Python that others wrote for Resend, as they are published: Resend's own SDK, and django-anymail.
tests/resend_clients.rs starts the servers, runs this with RESEND_API_URL and RESEND_API_KEY, and afterwards looks at what
has arrived by SMTP."""

import os
import unittest

import django
import resend
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

URL, KEY = os.environ["RESEND_API_URL"], os.environ["RESEND_API_KEY"]

settings.configure(
    EMAIL_BACKEND="anymail.backends.resend.EmailBackend",
    ANYMAIL={"RESEND_API_KEY": KEY, "RESEND_API_URL": URL + "/"},
)
django.setup()


class Resend(unittest.TestCase):
    def setUp(self):
        resend.api_key, resend.api_url = KEY, URL
        self.email = {"from": "Acme <hello@acme.example>", "to": ["ada@example.com"], "subject": "python", "text": "Hello"}

    def test_an_email_is_sent_and_read(self):
        content = list(b"file")
        sent = resend.Emails.send({**self.email, "attachments": [{"filename": "a.txt", "content": content}]})
        shown = resend.Emails.get(sent["id"])
        self.assertEqual((shown["subject"], shown["to"]), ("python", ["ada@example.com"]))
        self.assertIn(sent["id"], [email["id"] for email in resend.Emails.list()["data"]])

    def test_a_batch_is_sent(self):
        batch = [{**self.email, "subject": f"python batch {number}"} for number in (1, 2)]
        self.assertEqual(len(resend.Batch.send(batch)["data"]), 2)

    def test_a_time_is_moved_and_the_email_canceled(self):
        later = resend.Emails.send({**self.email, "subject": "not sent", "scheduled_at": "in 1 hour"})
        resend.Emails.update({"id": later["id"], "scheduled_at": "in 2 hours"})
        resend.Emails.cancel(later["id"])
        self.assertEqual(resend.Emails.get(later["id"])["last_event"], "canceled")

    def test_a_refusal_is_its_exception(self):
        with self.assertRaises(resend.exceptions.ValidationError):
            resend.Emails.send({**self.email, "to": ["nobody"]})
        with self.assertRaises(resend.exceptions.MissingRequiredFieldsError):
            resend.Emails.send({key: self.email[key] for key in ("from", "to", "text")})


class Anymail(unittest.TestCase):
    def test_an_email_with_everything_in_it_is_sent(self):
        message = EmailMultiAlternatives(
            "anymail", "Hello", "Acme <hello@acme.example>", ["Ada <ada@example.com>"], cc=["carol@example.com"],
            reply_to=["support@acme.example"], headers={"X-Number": 7},
        )
        message.attach_alternative("<p>Hello</p>", "text/html")
        message.attach("a.txt", "file", "text/plain")
        message.tags, message.metadata = ["kind"], {"order": 7}
        message.send()
        self.assertEqual(message.anymail_status.status, {"queued"})


if __name__ == "__main__":
    unittest.main()
