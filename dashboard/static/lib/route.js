// The address behind `#` says what is shown, so that it can be kept, sent and gone back from.

/** `#/emails?status=failed` is `{ path: ['emails'], parameters: { status: 'failed' } }`. */
export function route() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?')
  return { path: path.split('/').filter(Boolean).map(decoded), parameters: Object.fromEntries(new URLSearchParams(query ?? '')) }
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** The address of a list of emails with these parameters. */
export function emailsHref(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value)
  return given.length === 0 ? '#/emails' : `#/emails?${new URLSearchParams(given)}`
}

export const emailHref = (id) => `#/emails/${encodeURIComponent(id)}`

let list = emailsHref({})

/** The list that was shown last, for the way back from an email. */
export const lastList = () => list

export function rememberList(href) {
  list = href
}
