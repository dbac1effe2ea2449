// The API key, for as long as this tab is open: it is nowhere else, and leaves only in the header of a call.

const NAME = 'email-queue-key'

/** The key, or null. */
export const key = () => sessionStorage.getItem(NAME)

export const setKey = (value) => sessionStorage.setItem(NAME, value)

export const forgetKey = () => sessionStorage.removeItem(NAME)

let writes = false

/** Whether the key may change something. */
export const canWrite = () => writes

export function setCanWrite(value) {
  writes = value
}
