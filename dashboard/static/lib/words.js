// The states, lanes and classes of emails, and how they are called here.

/** In the order of an email's life. */
export const STATES = ['queued', 'scheduled', 'sending', 'delayed', 'failed', 'sent', 'canceled']

export const LANES = ['high', 'normal', 'low']

/** Classes of failures: docs/architecture.md, "Failure classes". */
export const CLASSES = [
  'recipient', 'content', 'policy', 'too_large', 'deferred', 'throttled', 'connection', 'tls', 'authentication', 'sender', 'timeout',
  'unknown', 'protocol', 'given_up', 'unreadable', 'recovered', 'internal',
]

/** The state of an email by its `last_event`, in which a delayed one has the name that Resend gives it. */
export const stateOf = (email) => (email.last_event === 'delivery_delayed' ? 'delayed' : email.last_event)

/** The subject, or what stands for one that nobody would see. */
export const subjectOf = (email) => email.subject.trim() || '(blank subject)'

/** The addresses that an email is for, each once. */
export const recipientsOf = (email) => new Set([email.to, email.cc, email.bcc].flatMap((list) => list ?? [])
  .map((each) => (/<([^<>]*)>\s*$/.exec(each)?.[1] ?? each).trim().toLowerCase()))

/** Whether a recipient may have got an email though nobody knows: the relay did not answer, or the worker died. */
export const mayHaveArrived = (events) => events.some((event) => event.event === 'recovered' || ['unknown', 'recovered'].includes(event.class))

/** What can be done with an email in a state. */
export const POSSIBLE = {
  queued: ['move', 'cancel', 'discard'],
  scheduled: ['move', 'cancel', 'discard'],
  delayed: ['retry', 'move', 'cancel', 'discard'],
  failed: ['retry', 'discard'],
}

/** By what a list can be narrowed, beside the state. */
export const FILTERS = ['to', 'subject', 'class', 'lane', 'from_time', 'to_time']
