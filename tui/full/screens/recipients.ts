/**
 * Whom a letter goes to: what the server knows of the recipients, how the letter will leave for it, and why it cannot
 * leave otherwise.
 */
import { byRecipients, isSigned, kindsOfAll } from '../../letter/letter.ts'
import { isProblem, type Problem } from '../../wire/client.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen, State } from '../state.ts'
import { besideOf, letterOf } from './keep-letter.ts'

type Own = ComposeScreen & { id: number }

/** How the letter will leave, and why it cannot leave otherwise: in words, and never by a colour alone. */
export const protectionOf = (
  { letter, fields, recipients, text, problem }: Own,
  state: State,
): { text: string; isBad: boolean } => {
  const encryptKey = keyFor(state.keymap, 'compose', 'encrypt')
  const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
  const signed = signatureOf({ letter, text }, state)
  const way = letter.kind === 'smime' && (letter.sign || letter.encrypt) ? ', by S/MIME' : ''
  const begin = `Will be: ${signed}, ${letter.encrypt ? 'encrypted' : 'NOT encrypted'}${way}`
  if (problem) return { text: `${begin}. ${problem.said}`, isBad: true }
  const isOpen =
    recipients.length === 0 && `${fields.to.text}${fields.cc.text}${fields.bcc.text}`.trim() !== ''
  if (isOpen) return { text: `${begin}; the addresses are not checked yet`, isBad: false }
  if (letter.encrypt) {
    if (without.length)
      return {
        text: `Will be: ${signed}, CANNOT be encrypted: no key for ${without.join(', ')} (${encryptKey}: unencrypted)`,
        isBad: true,
      }
    if (letter.kind !== 'smime' && kindsOfAll(recipients).length === 0)
      return { text: `${begin} to each, OpenPGP or S/MIME`, isBad: false }
    const whom = recipients.length ? ` to ${recipients.map(({ address }) => address).join(', ')}` : ''
    return { text: `${begin}${whom}`, isBad: false }
  }
  if (without.length) return { text: `${begin}: no key for ${without.join(', ')}`, isBad: false }
  return {
    text: recipients.length ? `${begin} (${encryptKey}: encrypted, all have keys)` : begin,
    isBad: false,
  }
}

const signatureOf = ({ letter, text }: Pick<Own, 'letter' | 'text'>, state: State): string => {
  if (letter.sign) return 'signed'
  if (text.lines.some((line) => isSigned(line.text))) return 'text signed'
  const isForWantOfKey = letter.encrypt && !letter.isChosen && !canSign(state)
  return isForWantOfKey ? 'not signed (the key is locked)' : 'not signed'
}

export const lookUpSoon = (app: Stage, screen: Own, ms: number) => {
  const beside = besideOf(app, screen)
  clearTimeout(beside.lookUp)
  beside.lookUp = setTimeout(() => void lookUp(app, screen), ms).unref()
}

export const lookUp = async (app: Stage, screen: Own) => {
  const before = app.current(screen)
  if (!before) return
  const { to, cc, bcc } = letterOf(before)
  if (`${to}${cc}${bcc}`.trim() === '') return
  const found = await app.ask(() =>
    app.client.recipients({ to, cc, bcc }).catch((error: unknown) => {
      if (isProblem(error, 'bad-address')) return error
      throw error
    }),
  )
  const now = app.current(screen)
  const isSame =
    now && (['to', 'cc', 'bcc'] as const).every((name) => now.fields[name].text === before.fields[name].text)
  if (!isSame || found === null) return
  app.change(
    now,
    found instanceof Error
      ? { problem: wrongIn(found), recipients: [] }
      : { problem: null, recipients: found, letter: byRecipients(now.letter, found, canSign(app.state)) },
  )
}

/** Without asking for anything. */
const canSign = ({ key }: State) => key !== null && key.scope === 'sign'

/** Whether the letter can go to all of them; if not, that is said. */
export const addressesHold = (app: Stage, screen: Own): boolean => {
  const { problem, recipients, letter } = screen
  const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
  if (problem) {
    app.change(screen, { focus: fieldWith(screen, problem.addresses) })
    app.warn(problem.said)
  } else if (letter.encrypt && without.length)
    app.warn(
      `There is no public key for ${without.join(', ')}. The letter was not sent; ${keyFor(app.keymap, 'compose', 'encrypt')} sends it unencrypted.`,
    )
  return !problem && recipients.length > 0 && !(letter.encrypt && without.length)
}

/** What a refusal says of the addresses; one that ends in a full stop ends the sentence. */
export const wrongIn = ({ message, addresses = [] }: Problem): NonNullable<Own['problem']> => ({
  said: message.replace(/\.\.$/, '.'),
  addresses,
})

/** The field that holds the first of these addresses. */
export const fieldWith = ({ fields }: Own, [wrong]: string[]): 'to' | 'cc' | 'bcc' => {
  const asWords = (text: string) =>
    ` ${text
      .toLowerCase()
      .split(/[\s,;<>"]+/)
      .filter(Boolean)
      .join(' ')} `
  const isIn = (name: 'to' | 'cc' | 'bcc') =>
    wrong !== undefined && asWords(fields[name].text).includes(asWords(wrong))
  return (['to', 'cc', 'bcc'] as const).find(isIn) ?? 'to'
}
