/**
 * Forms in WML 1.3 (§11): a field is a variable of the terminal, and each button posts the values of all as
 * postfields. A value that no deck has room for, as the text of a long letter, stays at the server; the form names it
 * by a ticket.
 */
import { createHash } from 'node:crypto'
import type { Form } from '../../server/doors/visit.ts'
import { type Element, element, escaped, type Tree, tagsIn, unescaped } from './tree.ts'

/** Octets of a value that goes to the terminal and comes back. */
const valueLimit = 200

/** A terminal's field is one line, and not a long one. */
export const fitsField = (value: string): boolean =>
  value.length <= valueLimit && Buffer.byteLength(value) <= valueLimit && !/\n./s.test(value.trim())

/** Names of postfields that no page has: the ticket of what was kept here, and kept fields that are to be left out. */
const keptField = '*kept'
const leftOutField = '*without'
/** Before the name of a field with several values, which a terminal joins by `;` (§11.6.2.1). */
const several = '*'

/** Text in WML, where a `$` would begin a variable (§10.3.1). */
export const wmlText = (text: string): string => escaped(text).replaceAll('$', '$$$$')

/** An element whose attributes hold no variable. */
export const inWml = (name: string, attributes: Record<string, string | undefined>, content = ''): string => {
  const literal = Object.entries(attributes).map(([key, value]) => [key, value?.replaceAll('$', '$$$$')])
  return element(name, Object.fromEntries(literal), content)
}

/** Boxes that are ticked in one list. */
export const ticksAtOnce = 8

export type Fields = {
  /**
   * The variable of a field that is typed into or chosen from.
   *
   * @param tick which of the boxes of that name, from 0; so many at once share a variable
   */
  variableOf(name: string, tick?: number): string
  /**
   * Of a field whose value is too long for a terminal: that value, and of a text, which stays beside what is typed, the
   * variable that says it is not wanted.
   */
  keptIn(name: string): { value: string; leftOut: string | null } | null
  /** What a button does: it posts all that the form holds. */
  go(button: Element): string
  /** All that was typed goes away. */
  clear(): string
}

/** What is kept at the server while a form is at a terminal. */
export type Kept = { ticket: string; fields: KeptFields }
/** What is typed comes before a text, and in the place of anything else. */
export type KeptFields = Record<string, { value: string; isText: boolean }>
/** The ticket of what can be kept here, always the same for the same content; null where nothing can. */
export type TicketFor = ((content: string) => string) | null

type Input = { variable: string; isSecret: boolean }
/** A field's name, and of boxes in which list they are. */
const keyOf = (name: string, tick = 0) => `${name} ${Math.floor(tick / ticksAtOnce)}`

/** @param options.keep is told of what is to be kept */
export const fieldsOf = (
  form: Element,
  tree: Tree,
  { ticketFor, keep }: { ticketFor: TicketFor; keep: (kept: Kept) => void },
): Fields => {
  const controls = controlsIn(form).map((control) => ({ ...readControl(control, tree), control }))
  const posted: [name: string, value: string][] = []
  const inputs = new Map<string, Input>()
  const kept: KeptFields = {}
  const mayKeep = form.attribs.method === 'post' ? ticketFor : null
  // A terminal prefers what its variables hold to what a page says: each letter, and each session, has its own.
  const hidden = controls.filter(({ isFixed }) => isFixed).map(({ name, value }) => `${name}=${value}`)
  const whole = `${form.attribs.action} ${hidden.join('&')}`
  const input = (key: string, of: string, isSecret = false) => {
    const variable = `v${digest(`${whole} ${key} ${of}`).replace(/\W/g, '').slice(0, 4)}`
    inputs.set(key, { variable, isSecret })
    return variable
  }
  let ticks = 0
  for (const { name, value, isFixed, isTick, isSecret, isShort, isText } of controls) {
    if (isFixed && isShort) posted.push([name, wmlText(value)])
    if (!isShort && mayKeep) kept[name] = { value, isText }
    const key = isTick ? keyOf(name, ticks++) : keyOf(name)
    if (isFixed || inputs.has(key)) continue
    posted.push([isTick ? several + name : name, `$(${input(key, isTick ? '' : value, isSecret)})`])
  }
  const long = Object.keys(kept)
  if (long.length > 0 && mayKeep) {
    const ticket = mayKeep(`${whole} ${JSON.stringify(kept)}`)
    keep({ ticket, fields: kept })
    posted.push([keptField, ticket])
    if (long.some((name) => kept[name]!.isText && inputs.has(keyOf(name))))
      posted.push([leftOutField, `$(${input(leftOutField, ticket)})`])
  }
  return {
    variableOf: (name, tick) => inputs.get(keyOf(name, tick))!.variable,
    keptIn: (name) => {
      if (!Object.hasOwn(kept, name)) return null
      const { value, isText } = kept[name]!
      return { value, leftOut: (isText && inputs.get(leftOutField)?.variable) || null }
    },
    go: (button) => goWith(form, button, { posted, inputs }),
    clear: () => `<refresh>${[...inputs.values()].map(emptied).join('')}</refresh>`,
  }
}

/** What a control of a form holds, and of which kind it is. */
const readControl = (control: Element, tree: Tree) => {
  const { type, name = '', readonly } = control.attribs
  const isArea = control.name === 'textarea'
  const value = isArea ? unescaped(tree.typedIn(control)) : (control.attribs.value ?? '')
  return {
    name,
    value,
    isFixed: type === 'hidden' || readonly !== undefined,
    isTick: type === 'checkbox',
    isSecret: type === 'password',
    isText: isArea && readonly === undefined,
    isShort: type === 'checkbox' || fitsField(value),
  }
}

const emptied = ({ variable }: Input) => `<setvar name="${variable}" value=""/>`

const goWith = (
  form: Element,
  button: Element,
  { posted, inputs }: { posted: [string, string][]; inputs: Map<string, Input> },
): string => {
  const { name, value = '' } = button.attribs
  const all: [string, string][] = name ? [...posted, [name, wmlText(value)]] : posted
  const fields = all.map(([field, held]) => `<postfield name="${wmlText(field)}" value="${held}"/>`)
  // A terminal keeps its variables: not what opens the key.
  const secrets = [...inputs.values()].filter(({ isSecret }) => isSecret).map(emptied)
  const method = form.attribs.method === 'post' ? ' method="post"' : ''
  return `<go${method} href="${wmlText(form.attribs.action ?? '')}">${[...fields, ...secrets].join('')}</go>`
}

const controlsIn = (node: Element): Element[] =>
  tagsIn(node).flatMap((child) => {
    if (!['input', 'textarea', 'select'].includes(child.name)) return controlsIn(child)
    return child.attribs.name && child.attribs.type !== 'file' ? [child] : []
  })

/** A name for a text, of letters, digits, `-` and `_`. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')

// ---- back from the terminal

/**
 * A form as the page's own would have come: several values of a field apart, and with what was kept here; what was
 * typed beside that comes first. Where what was kept is gone, it is an old form, with what was typed.
 *
 * @param open what is kept under a ticket; null if that is gone
 */
export const fromTerminal = async (
  form: Form,
  open: (ticket: string) => Promise<KeptFields | null>,
): Promise<Form> => {
  const ticket = form.get(keptField)
  const leftOut = form.all(leftOutField).flatMap((names) => names.split(';'))
  const found = ticket ? await open(ticket) : {}
  const kept = found ?? {}
  const all = (name: string): string[] => {
    const chosen = form.all(several + name).flatMap((values) => values.split(';'))
    if (chosen.length > 0) return chosen.filter(Boolean).map(decoded)
    const typed = form.all(name)
    if (!Object.hasOwn(kept, name) || leftOut.includes(name)) return typed
    const { value, isText } = kept[name]!
    if (!typed[0]) return [value]
    return isText ? [`${typed[0]}\n\n${value.replace(/^[\r\n]+/, '')}`] : typed
  }
  return { ...form, trouble: found ? form.trouble : 'old', all, get: (name) => all(name)[0] ?? '' }
}

/** A value among several, in which no `;` may stand. */
export const encoded = (value: string): string => encodeURIComponent(value)

const decoded = (value: string): string => {
  try {
    return decodeURIComponent(value)
  } catch {
    return ''
  }
}
