/** Compiled WML, as a gateway sends it to handsets (WBXML 1.3, with the tokens of WML 1.3, WAP-191-WML §15). */

/** Text with variables in it, as the handset has them to fill in. */
export type Text = (string | { variable: string })[]
export type Element = { name: string; attributes: Map<string, Text>; children: (Element | Text)[] }

const tags: Record<number, string> = {
  27: 'pre',
  28: 'a',
  32: 'p',
  33: 'postfield',
  34: 'anchor',
  36: 'b',
  38: 'br',
  39: 'card',
  40: 'do',
  43: 'go',
  47: 'input',
  50: 'prev',
  53: 'option',
  54: 'refresh',
  55: 'select',
  62: 'setvar',
  63: 'wml',
}

/** An attribute's name, and how its value begins. */
const attributeStarts: Record<number, [name: string, value: string]> = {
  16: ['emptyok', 'false'],
  17: ['emptyok', 'true'],
  24: ['label', ''],
  27: ['method', 'get'],
  28: ['method', 'post'],
  31: ['multiple', 'false'],
  32: ['multiple', 'true'],
  33: ['name', ''],
  35: ['newcontext', 'true'],
  54: ['title', ''],
  55: ['type', ''],
  56: ['type', 'accept'],
  59: ['type', 'password'],
  69: ['type', 'options'],
  70: ['type', 'prev'],
  72: ['type', 'text'],
  74: ['href', ''],
  75: ['href', 'http://'],
  76: ['href', 'https://'],
  77: ['value', ''],
}

const attributeValues: Record<number, string> = {
  133: '.com/',
  134: '.edu/',
  135: '.net/',
  136: '.org/',
  137: 'accept',
  138: 'bottom',
  139: 'clear',
  140: 'delete',
  141: 'help',
  142: 'http://',
  143: 'http://www.',
  144: 'https://',
  145: 'https://www.',
  147: 'middle',
  148: 'nowrap',
  149: 'onpick',
  150: 'onenterbackward',
  151: 'onenterforward',
  152: 'ontimer',
  153: 'options',
  154: 'password',
  155: 'reset',
  157: 'text',
  158: 'top',
  159: 'unknown',
  160: 'wrap',
  161: 'www',
}

/** What WML has no token for is a fault: these pages use nothing else. */
const known = <T>(table: Record<number, T>, token: number): T => {
  const found = table[token]
  if (found === undefined) throw new Error(`expected a token of WML, got ${token}`)
  return found
}

export const readWbxml = (octets: Buffer): Element => {
  let at = 0
  const octet = () => {
    const read = octets[at]
    if (read === undefined) throw new Error('expected more of a deck, got its end')
    at += 1
    return read
  }
  const number = () => {
    let value = 0
    for (let more = true; more; ) {
      const read = octet()
      value = value * 128 + (read & 127)
      more = read > 127
    }
    return value
  }
  const stringAt = (from: number) => octets.toString('utf8', from, octets.indexOf(0, from))
  const inline = () => {
    const text = stringAt(at)
    at += Buffer.byteLength(text) + 1
    return text
  }
  octet() // version
  if (number() === 0) number() // public identifier, or where it stands
  if (number() !== 106) throw new Error('expected a deck in UTF-8') // IANA MIBenum
  const tableOctets = number()
  const table = at
  at += tableOctets
  const tabled = () => stringAt(table + number())

  /** What any content and any value may hold; null for something else, which is still to be read. */
  const piece = (token: number): Text[number] | null => {
    if (token === 3) return inline()
    if (token === 131) return tabled()
    if (token === 2) return String.fromCodePoint(number())
    if (token >= 64 && token <= 66) return { variable: inline() }
    if (token >= 128 && token <= 130) return { variable: tabled() }
    return null
  }

  const attributesOf = () => {
    const attributes = new Map<string, Text>()
    let value: Text = []
    for (let token = octet(); token !== 1; token = octet()) {
      const read = token > 133 || token === 133 ? known(attributeValues, token) : piece(token)
      if (read !== null) {
        value.push(read)
        continue
      }
      const [name, begins] = known(attributeStarts, token)
      value = begins ? [begins] : []
      attributes.set(name, value)
    }
    return attributes
  }

  const elementOf = (token: number): Element => {
    const made: Element = { name: known(tags, token & 63), attributes: new Map(), children: [] }
    if (token & 128) made.attributes = attributesOf()
    if (token & 64)
      for (let next = octet(); next !== 1; next = octet()) {
        const read = piece(next)
        made.children.push(read === null ? elementOf(next) : [read])
      }
    return made
  }

  const deck = elementOf(octet())
  if (at !== octets.length) throw new Error('expected the end of a deck, got more')
  return deck
}
