/** A browser that follows every link and presses every button that it meets, each kind of them once. */
import type { World } from './world.ts'

const unescaped = (text: string) =>
  text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')

const attribute = (tag: string, name: string): string | null => {
  const [, quoted, bare] = tag.match(new RegExp(` ${name}=(?:"([^"]*)"|([^\\s>"]*))`)) ?? []
  return quoted === undefined && bare === undefined ? null : unescaped(quoted ?? bare ?? '')
}

/** Of a path, what is the same for all messages, folders and so on. */
const kindOf = (path: string) => path.replace(/=[^&]*/g, '=').replace(/[0-9a-f]{16,}|\d+/g, 'N')

/** @param variables of a handset's, by name; what is in one is sent */
type Press = {
  action: string
  isMultipart: boolean
  fields: [string, string][]
  variables?: [string, string][]
}

export class Walker {
  readonly #world: World
  readonly #user: string
  readonly #typed: Record<string, string>
  readonly #cookies = new Map<string, string>()
  readonly #met = new Set<string>()
  readonly #links: string[] = []
  readonly #presses: Press[] = []
  /** What decks of WML held in their fields: of a list with several choices, all of them. */
  readonly #variables = new Map<string, string>()
  /** Each kind of link and button that was tried, with the status of the answer. */
  readonly tried = new Map<string, number>()
  readonly #headers: Record<string, string>
  readonly #seen: (page: string, kind: string, headers: Headers) => void

  /**
   * @param typed what is typed into the fields of these names
   * @param options.seen is told of each page
   */
  constructor(
    world: World,
    user: string,
    typed: Record<string, string>,
    options: {
      headers?: Record<string, string>
      seen?: (page: string, kind: string, headers: Headers) => void
    } = {},
  ) {
    this.#world = world
    this.#user = user
    this.#typed = typed
    this.#headers = options.headers ?? {}
    this.#seen = options.seen ?? (() => {})
  }

  /** Begins on this page, and ends when nothing new is to be seen. */
  async walk(from: string) {
    await this.#logIn()
    this.#links.push(from)
    while (true) {
      // Links first: what a button takes away is not seen any more.
      const link = this.#links.shift()
      const press = link === undefined ? this.#presses.shift() : undefined
      if (link !== undefined) await this.#go(link)
      else if (press) await this.#press(press)
      else return
      if (!this.#cookies.has('wafer')) await this.#logIn()
    }
  }

  async #logIn() {
    const { token } = await this.#world.terminal(this.#user, 'walker')
    this.#cookies.set('wafer', token!)
  }

  async #press({ action, isMultipart, fields: fixed, variables = [] }: Press) {
    const fields = [...fixed]
    for (const [name, variable] of variables)
      fields.push([name, this.#typed[name] ?? this.#variables.get(variable) ?? ''])
    // The token is of the session, which may be another one by now.
    const t = this.#world.services.formToken(this.#cookies.get('wafer')!)
    const data = new FormData()
    for (const [name, value] of fields) data.append(name, name === 't' ? t : value)
    const plain = new URLSearchParams([...data].map(([name, value]) => [name, String(value)]))
    await this.#go(action, isMultipart ? data : plain)
  }

  async #go(path: string, body?: URLSearchParams | FormData): Promise<void> {
    const { pathname, search } = new URL(path, this.#world.url)
    const response = await fetch(new URL(pathname + search, this.#world.url), {
      method: body ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { ...this.#headers, cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; ') },
      ...(body ? { body } : {}),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = cookie.match(/^([^=]+)=([^;]*)/) ?? []
      if (/max-age=0/i.test(cookie)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    const verb = body?.get('a')
    const kind = `${body ? 'POST' : 'GET'} ${kindOf(pathname + search)}${verb ? ` ${kindOf(String(verb))}` : ''}`
    this.tried.set(kind, response.status)
    const html = await response.text()
    const location = response.headers.get('location')
    const type = response.headers.get('content-type') ?? ''
    const isPage = /html|wml/.test(type)
    if (isPage) this.#seen(html, kind, response.headers)
    if (response.status === 303 && location) this.#meetLink(location)
    else if (/wml/.test(type)) this.#lookAtDeck(html, pathname)
    else if (isPage) this.#look(html, pathname)
  }

  #look(html: string, path: string) {
    for (const [tag] of html.matchAll(/<a [^>]*>/g)) {
      const href = attribute(tag, 'href')
      if (href) this.#meetLink(new URL(href, new URL(path, this.#world.url)).href)
    }
    for (const [form] of html.matchAll(/<form.*?<\/form>/gs)) this.#meetForm(form, path)
  }

  #meetLink(href: string) {
    const { origin, pathname, search } = new URL(href, this.#world.url)
    if (origin !== new URL(this.#world.url).origin) return
    const path = pathname + search
    // Each deck of a page is another one.
    if (this.#isNew(path.includes('deck=') ? path : kindOf(path))) this.#links.push(path)
  }

  #lookAtDeck(deck: string, path: string) {
    const literal = (text: string) => text.replaceAll('$$', '$')
    for (const [, tag] of deck.matchAll(/<input([^>]*)>/g))
      this.#variables.set(attribute(tag!, 'name')!, literal(attribute(tag!, 'value') ?? ''))
    for (const [, tag, options] of deck.matchAll(/<select([^>]*)>(.*?)<\/select>/gs)) {
      const values = [...options!.matchAll(/<option([^>]*)>/g)].map(([, each]) =>
        literal(attribute(each!, 'value')!),
      )
      const value = tag!.includes('multiple=') ? values.join(';') : values[0]
      this.#variables.set(attribute(tag!, 'name')!, value ?? '')
    }
    for (const [, tag, content = ''] of deck.matchAll(/<(?:a|go)( [^>]*?)(?:\/>|>(.*?)<\/(?:a|go)>)/gs)) {
      const href = new URL(literal(attribute(tag!, 'href')!), new URL(path, this.#world.url))
      if (!tag!.includes('method=')) this.#meetLink(href.href)
      else this.#meetTask(href.pathname + href.search, content, literal)
    }
  }

  #meetTask(action: string, content: string, literal: (text: string) => string) {
    const posted = [...content.matchAll(/<postfield([^>]*)>/g)].map(([, tag]): [string, string] => [
      attribute(tag!, 'name')!,
      attribute(tag!, 'value')!,
    ])
    const isVariable = ([, value]: [string, string]) => /^\$\(\w+\)$/.test(value)
    const verb = posted.find(([name]) => name === 'a')?.[1] ?? ''
    if (!this.#isNew(`${kindOf(action)} ${kindOf(verb)}`)) return
    this.#presses.push({
      action,
      isMultipart: false,
      fields: posted.filter((each) => !isVariable(each)).map(([name, value]) => [name, literal(value)]),
      variables: posted.filter(isVariable).map(([name, value]) => [name, value.slice(2, -1)]),
    })
  }

  #meetForm(form: string, path: string) {
    const action = attribute(form, 'action') ?? path
    const fields = this.#fieldsOf(form)
    const isGet = attribute(form, 'method') !== 'post'
    for (const [, tag] of form.matchAll(/<button([^>]*)>/g)) {
      if (/type="?reset/.test(tag!)) continue
      const verb = attribute(tag!, 'value')
      if (!this.#isNew(`${kindOf(action)} ${kindOf(verb ?? '')}`)) continue
      const own: [string, string][] = verb === null ? fields : [...fields, ['a', verb]]
      if (isGet) this.#links.push(`${action}?${new URLSearchParams(own)}`)
      else this.#presses.push({ action, isMultipart: form.includes('enctype='), fields: own })
    }
  }

  /** What a form holds as it is, with what is typed, and every box ticked. */
  #fieldsOf(form: string): [string, string][] {
    const fields: [string, string][] = []
    const add = (name: string | null, value: string) => {
      if (name) fields.push([name, this.#typed[name] ?? value])
    }
    for (const [tag] of form.matchAll(/<input[^>]*>/g))
      if (attribute(tag, 'type') !== 'file') add(attribute(tag, 'name'), attribute(tag, 'value') ?? '')
    for (const [, tag, text] of form.matchAll(/<textarea([^>]*)>\n?(.*?)<\/textarea>/gs))
      add(attribute(tag!, 'name'), unescaped(text!))
    for (const [, tag, options] of form.matchAll(/<select([^>]*)>(.*?)<\/select>/gs))
      add(attribute(tag!, 'name'), attribute(options!, 'value') ?? '')
    return fields
  }

  #isNew(kind: string): boolean {
    if (this.#met.has(kind)) return false
    this.#met.add(kind)
    return true
  }
}
