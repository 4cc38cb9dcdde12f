/**
 * A handset of WAP: it shows one card at a time, keeps variables, and does what its links and keys say (WAP-191-WML). It
 * keeps no cookies: its gateway does.
 */
import assert from 'node:assert/strict'
import { passphrase, password, type World } from '../world.ts'
import { type Fields, WapSession } from './session.ts'
import { type Element, readWbxml, type Text } from './wbxml.ts'

type Control = { label: string; task: Element }

/** Octets of a deck that the first handsets take. */
const deckLimit = 1_400

export class Handset {
  readonly #world: World
  readonly #session: WapSession
  readonly #headers: Fields
  readonly #variables = new Map<string, string>()
  #path = ''
  #card: Element = { name: 'card', attributes: new Map(), children: [] }
  status = 0
  /** Octets of each deck that came, and of what carried it. */
  readonly sizes: { deck: number; pdu: number; path: string }[] = []

  private constructor(world: World, session: WapSession, language: string) {
    this.#world = world
    this.#session = session
    this.#headers = [
      ['accept', 'application/vnd.wap.wmlc'],
      ['accept', 'image/vnd.wap.wbmp'],
      ['accept-charset', 'utf-8'],
      ['accept-language', language],
      ['user-agent', 'Nokia7110/1.0 (04.77)'],
    ]
  }

  static async through(gateway: string, world: World, language = 'en'): Promise<Handset> {
    return new Handset(world, await WapSession.connect(gateway), language)
  }

  close() {
    this.#session.close()
  }

  // ---- what is seen

  get title(): string {
    return this.#filled(this.#card.attributes.get('title') ?? [])
  }
  /** What the card says, fields and links in brackets. */
  get text(): string {
    return this.#textOf(this.#card).replace(/\s+/g, ' ').trim()
  }
  /** Labels of links and keys. */
  get controls(): string[] {
    return this.#controls().map(({ label }) => label)
  }
  /** Titles of fields and lists. */
  get fields(): string[] {
    return inside(this.#card, ['input', 'select']).map((field) =>
      this.#filled(field.attributes.get('title') ?? []),
    )
  }
  get path(): string {
    return this.#path
  }
  get variables(): ReadonlyMap<string, string> {
    return this.#variables
  }

  /** All decks of the page from here on, as one text; then back to this one. */
  async readOn(more = 'More…'): Promise<string> {
    const here = { path: this.#path, card: this.#card }
    let whole = this.text
    while (this.controls.includes(more)) {
      await this.press(more)
      whole += ` ${this.text}`
    }
    this.#path = here.path
    this.#card = here.card
    return whole
  }

  /** Presses More until a card has that link, key, field or choice. */
  async find(name: string, more = 'More…'): Promise<void> {
    const choices = () => inside(this.#card, ['option']).map((option) => this.#textOf(option).trim())
    const isThere = () => [...this.controls, ...this.fields, ...choices()].includes(name)
    while (!isThere()) {
      assert.ok(
        this.controls.includes(more),
        `expected ${name}, got ${this.text} ${this.controls.join(', ')}`,
      )
      await this.press(more)
    }
  }

  // ---- what is done

  async go(path: string): Promise<void> {
    const url = new URL(path, this.#world.url)
    await this.#show(await this.#session.get(url.href, this.#headers), url)
  }

  /** Types into the field of that title. */
  type(title: string, text: string) {
    const field = inside(this.#card, ['input', 'select']).find(
      ({ attributes }) => this.#filled(attributes.get('title') ?? []) === title,
    )
    assert.ok(field, `expected a field ${title}, got ${this.text}`)
    this.#variables.set(this.#filled(field.attributes.get('name')!), text)
  }

  /** Takes a choice of a list, beside those that are taken where it may have several. */
  choose(label: string) {
    for (const list of inside(this.#card, ['select'])) {
      const option = inside(list, ['option']).find((each) => this.#textOf(each).trim() === label)
      if (!option) continue
      const [name, value] = [list.attributes.get('name')!, option.attributes.get('value')!].map((text) =>
        this.#filled(text),
      )
      const held = this.#variables.get(name!)
      const isMultiple = list.attributes.has('multiple')
      this.#variables.set(name!, isMultiple && held ? `${held};${value}` : value!)
      return
    }
    assert.fail(`expected a choice ${label}, got ${this.text}`)
  }

  /** A link, or a key. */
  async press(label: string): Promise<void> {
    const control = this.#controls().find((each) => each.label === label)
    assert.ok(control, `expected ${label}, got ${this.controls.join(', ')}: ${this.text}`)
    const { task } = control
    if (task.name === 'a')
      return this.go(new URL(this.#filled(task.attributes.get('href')!), this.#here).href)
    const variables = inside(task, ['setvar']).map(({ attributes }): [string, string] => [
      this.#filled(attributes.get('name')!),
      this.#filled(attributes.get('value')!),
    ])
    // Once the deck is there (§12.5.1): the form still has what was typed.
    if (task.name === 'go') await this.#goBy(task)
    for (const [name, value] of variables) this.#variables.set(name, value)
    if (task.name === 'refresh') this.#takeDefaults()
  }

  async logIn(user = 'ann@example.org'): Promise<void> {
    await this.go('/login')
    this.type('User ID', user)
    this.type('Password', password)
    await this.press('Login')
  }

  /** In the window "Secret key use". */
  async unlock(): Promise<void> {
    assert.equal(this.title, 'Secret key use')
    await this.find('Passphrase')
    this.type('Passphrase', passphrase)
    await this.find('OK')
    await this.press('OK')
  }

  get #here(): URL {
    return new URL(this.#path, this.#world.url)
  }

  async #goBy(task: Element): Promise<void> {
    const url = new URL(this.#filled(task.attributes.get('href')!), this.#here)
    const posted = inside(task, ['postfield']).map(({ attributes }): [string, string] => [
      this.#filled(attributes.get('name')!),
      this.#filled(attributes.get('value')!),
    ])
    const form = new URLSearchParams(posted)
    if (this.#filled(task.attributes.get('method') ?? []) === 'post')
      return this.#show(await this.#session.post(url.href, this.#headers, String(form)), url)
    if (posted.length > 0) url.search = String(form)
    return this.go(url.href)
  }

  async #show(reply: Awaited<ReturnType<WapSession['get']>>, asked: URL): Promise<void> {
    const location = reply.headers.get('location')
    if (reply.status === 303 && location) return this.go(location)
    assert.equal(
      reply.headers.get('content-type')?.split(';')[0],
      'application/vnd.wap.wmlc',
      `${asked} ${reply.status}`,
    )
    this.#path = asked.pathname + asked.search
    this.status = reply.status
    this.sizes.push({ deck: reply.body.length, pdu: reply.pduOctets, path: this.#path })
    assert.ok(
      reply.body.length <= deckLimit,
      `expected a deck of ${deckLimit} octets at ${this.#path}, got ${reply.body.length}`,
    )
    this.#card = inside(readWbxml(reply.body), ['card'])[0]!
    if (this.#card.attributes.has('newcontext')) this.#variables.clear()
    this.#takeDefaults()
  }

  /** A field shows what its variable holds; one that holds nothing yet takes the field's own value (§11.6.3). */
  #takeDefaults() {
    for (const { attributes } of inside(this.#card, ['input', 'select'])) {
      const [name, value] = [attributes.get('name')!, attributes.get('value') ?? []].map((text) =>
        this.#filled(text),
      )
      if (!this.#variables.get(name!)) this.#variables.set(name!, value!)
    }
  }

  #controls(): Control[] {
    return inside(this.#card, ['a', 'anchor', 'do']).flatMap((element): Control[] => {
      if (element.name === 'a') return [{ label: this.#textOf(element).trim(), task: element }]
      const [task] = inside(element, ['go', 'prev', 'refresh'])
      const label = element.attributes.get('label')
      return task ? [{ label: label ? this.#filled(label) : this.#textOf(element).trim(), task }] : []
    })
  }

  #textOf(element: Element): string {
    return element.children
      .map((child) => {
        if (Array.isArray(child)) return this.#filled(child)
        if (['do', 'go', 'prev', 'refresh'].includes(child.name)) return ''
        const title = child.attributes.get('title')
        const within = `${title ? `${this.#filled(title)}: ` : ''}${this.#textOf(child)}`
        return ['p', 'br', 'select', 'option', 'input'].includes(child.name) ? ` ${within} ` : within
      })
      .join('')
  }

  #filled(text: Text): string {
    return text
      .map((piece) => (typeof piece === 'string' ? piece : (this.#variables.get(piece.variable) ?? '')))
      .join('')
  }
}

const inside = (element: Element, names: string[]): Element[] =>
  element.children.flatMap((child) =>
    Array.isArray(child) ? [] : [...(names.includes(child.name) ? [child] : []), ...inside(child, names)],
  )
