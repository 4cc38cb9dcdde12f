/** What every command for scripts works with: where it runs, the session and the key that are kept, and how it prints. */
import { type Call, WrongCall } from '../server/contract/calls.ts'
import { Failed } from './failed.ts'
import type { Keeping, KeptSession, Place } from './place.ts'
import { isUtf8 } from './text/locale.ts'
import { harmless } from './text/text.ts'
import { Client, isProblem, Problem } from './wire/client.ts'

export type ScriptCall = Call & {
  /** A line of standard input, or the answer to a prompt without echo. */
  secret(flag: string, name: string): Promise<string>
}

/** One command runs in a process, or in a worker thread of one: where that is, is said once. */
export let place: Place
export const runAt = (where: Place) => {
  place = where
}

// ---- session and key

/** Each as it works here: where no folder is emptied at the end, only with --keep. */
const unlocking = (): string =>
  `${place.machine ? 'wafer ' : ''}unlock --passphrase-stdin${place.kept.hasRuntimeFolder ? '' : ' --keep'}`
export const howToUnlock = () =>
  `open the key with ${unlocking()}${place.machine ? '' : ', over a connection that both share (ControlMaster of OpenSSH)'}`
const howToTakeOver = () => `To stop that use and open it here: ${unlocking()} --take-over.`

export const clientOf = ({ server, user, token, ca, fingerprint }: KeptSession): Client => {
  const client = new Client({ server, ca, fingerprint, socketPath: place.socketPath })
  client.token = token
  client.user = user
  return client
}

/** With the session and the key token that are kept; what the server does not know any more is forgotten. */
export const withClient = async (
  work: (client: Client, session: KeptSession, kept: Keeping) => Promise<void>,
): Promise<void> => {
  const { kept } = place
  const session = kept.session()
  if (!session) throw new Failed(`Nobody is logged in: ${place.howToLogIn}.`)
  const client = clientOf(session)
  client.keyToken = kept.keyToken()
  client.ledgerMemory = kept
  try {
    return await work(client, session, kept)
  } catch (error) {
    if (isProblem(error, 'key-in-use')) throw new Failed(`${error.message} ${howToTakeOver()}`)
    if (!isProblem(error, 'no-session')) throw error
    kept.forgetSession()
    throw new Failed(`The session has ended: ${place.howToLogIn}.`)
  }
}

/** A key token that opens nothing any more is not kept. */
export const withKey = async <Result>(kept: Keeping, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'allowance-required')) throw error
    kept.forgetKey()
    throw new Failed(`The secret key is locked: ${howToUnlock()}.`)
  }
}

// ---- arguments and output

export const idIn = (text: string, shownBy = 'wafer ls'): number => {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new WrongCall(`A message has a number, as ${shownBy} shows it.`)
  return Number(text)
}

export const json = (value: unknown): void => {
  // JSON leaves DEL, C1 and direction marks as they are; escaped they are the same text, and no terminal obeys them. Nor
  // does one without UTF-8 obey anything else.
  const escaped = isUtf8() ? /[\x7f-\x9f\p{Cf}\u2028\u2029]/gu : /[^\x00-\x7e]/gu
  const text = JSON.stringify(value, null, 2).replace(escaped, (character) =>
    [...Array(character.length).keys()]
      .map((place) => `\\u${character.charCodeAt(place).toString(16).padStart(4, '0')}`)
      .join(''),
  )
  place.output.write(`${text}\n`)
}

/** How many of something: labels and values. */
export const told = (call: ScriptCall, counts: Record<string, number>) => {
  if (call.flag('json')) return json(counts)
  for (const [label, count] of Object.entries(counts)) print(label, count)
}

export const print = (...columns: (string | number)[]) => {
  place.output.write(`${columns.map((value) => harmless(String(value))).join('\t')}\n`)
}

/** As they are, and no faster than they are taken. */
export const printOctets = (octets: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => place.output.write(octets, (error) => (error ? reject(error) : resolve())))
