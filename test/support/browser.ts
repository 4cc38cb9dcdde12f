/**
 * A browser without JavaScript in a few lines: it keeps cookies, follows 303, takes links and forms apart and fills them
 * in, over HTTP against a whole server. Real ones are in browsers.ts.
 */
import assert from 'node:assert/strict'
import { passphrase, password, type World } from './world.ts'

const plainText = (html: string) =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')

const unescaped = (text: string) => plainText(`x${text}`).slice(1)

/** A page, its forms and links taken apart as a simple browser does. */
export class Page {
  readonly html: string
  readonly status: number
  readonly path: string
  readonly headers: Headers

  constructor(html: string, status: number, path: string, headers: Headers) {
    this.html = html
    this.status = status
    this.path = path
    this.headers = headers
  }

  get text() {
    return plainText(this.html)
  }
  get size() {
    return Buffer.byteLength(this.html)
  }
  get heading() {
    return unescaped(this.html.match(/<h1>(.*?)<\/h1>/s)?.[1] ?? '').trim()
  }
  get happened() {
    return unescaped(this.html.match(/<div role=status[^>]*>(.*?)<\/div>/s)?.[1] ?? '').trim()
  }
  link(name: string): string | null {
    for (const [, href, label] of this.html.matchAll(/<a href="?([^\s">]+)"?[^>]*>(.*?)<\/a>/gs))
      if (unescaped(label!).trim() === name) return unescaped(href!)
    return null
  }
  button(name: string): { form: string; a: string } | null {
    for (const [form] of this.html.matchAll(/<form.*?<\/form>/gs))
      for (const [, attributes, label] of form.matchAll(/<button([^>]*)>(.*?)<\/button>/gs))
        if (unescaped(label!).trim() === name)
          return { form, a: attributes!.match(/value=([\w-]+)/)?.[1] ?? '' }
    return null
  }
  has(name: string) {
    return this.link(name) !== null || this.button(name) !== null
  }
  /** What a field holds. */
  value(name: string): string {
    const area = this.html.match(new RegExp(`<textarea name=${name}[^>]*>\n?(.*?)</textarea>`, 's'))
    if (area) return unescapedLines(area[1]!)
    const input = this.html.match(
      new RegExp(`<input(?: type=\\w+)? name=${name}( value=("[^"]*"|[^\\s>]*))?`),
    )
    return unescapedLines((input?.[2] ?? '').replace(/^"|"$/g, ''))
  }
  get protection() {
    return this.html.match(/<option value=(\w+) selected/)?.[1]
  }
}

const unescapedLines = (text: string) =>
  text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')

/** A terminal with a browser that keeps cookies, follows 303 and fills in forms; it sends no Origin. */
export class Browser {
  page = new Page('', 0, '', new Headers())
  readonly cookies = new Map<string, string>()
  readonly #world: World
  readonly #headers: Record<string, string>
  readonly pages: Page[] = []

  constructor(world: World, headers: Record<string, string> = {}) {
    this.#world = world
    this.#headers = { 'user-agent': 'Lynx/2.9', ...headers }
  }

  async go(path: string, body?: URLSearchParams | FormData): Promise<Page> {
    const url = new URL(path, this.#world.url)
    const response = await fetch(url, {
      method: body ? 'POST' : 'GET',
      redirect: 'manual',
      headers: {
        ...this.#headers,
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      ...(body ? { body } : {}),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const [name = '', value = ''] = pair.split('=')
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(cookie)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    const html = await response.text()
    const location = response.headers.get('location')
    if (response.status === 303 && location) return this.go(location)
    this.page = new Page(html, response.status, url.pathname + url.search, response.headers)
    if (response.headers.get('content-type')?.startsWith('text/html')) this.pages.push(this.page)
    return this.page
  }

  follow(name: string): Promise<Page> {
    const href = this.page.link(name)
    assert.ok(href, `expected a link ${name}, got ${this.page.text}`)
    return this.go(href)
  }

  /** Presses a button, with what its form holds and what is typed over it. */
  press(name: string, typed: Record<string, string | string[] | File> = {}): Promise<Page> {
    const button = this.page.button(name)
    assert.ok(button, `expected a button ${name}, got ${this.page.text}`)
    const { form } = button
    const data = new FormData()
    const set = new Set(Object.keys(typed))
    for (const [field] of form.matchAll(/<input[^>]*>/g)) {
      const named = field.match(/ name=([\w-]+)/)?.[1]
      const isOff = /type=(checkbox|radio)/.test(field) && !/ checked/.test(field)
      if (!named || set.has(named) || isOff || field.includes('type=file')) continue
      data.append(
        named,
        unescapedLines(field.match(/ value=("[^"]*"|[^\s>]*)/)?.[1]?.replace(/^"|"$/g, '') ?? ''),
      )
    }
    for (const [, named, content] of form.matchAll(/<textarea name=(\w+)[^>]*>\n?(.*?)<\/textarea>/gs))
      if (!set.has(named!)) data.append(named!, unescapedLines(content!))
    for (const [, named, options] of form.matchAll(/<select name=(\w+)>(.*?)<\/select>/gs)) {
      const value =
        options!.match(/<option value=(\w+) selected/)?.[1] ?? options!.match(/<option value=(\w+)/)?.[1]
      if (!set.has(named!)) data.append(named!, value ?? '')
    }
    for (const [named, value] of Object.entries(typed))
      for (const each of Array.isArray(value) ? value : [value]) data.append(named, each)
    data.set('a', button.a)
    const action = unescaped(form.match(/action="?([^\s">]+)/)![1]!)
    const isMultipart = form.includes('enctype=')
    const plain = new URLSearchParams([...data].map(([field, value]) => [field, String(value)]))
    // As HTML has it: a form that does not say how is asked for by its address.
    if (!/<form[^>]* method=/.test(form)) {
      if (!button.a) plain.delete('a')
      return this.go(`${action}?${plain}`)
    }
    return this.go(action, isMultipart ? data : plain)
  }

  async logIn(user = 'ann@example.org'): Promise<Page> {
    await this.go('/login')
    return this.press('Login', { user, pass: password })
  }

  async unlock(): Promise<Page> {
    assert.equal(this.page.heading, 'Secret key use')
    return this.press('OK', { passphrase })
  }
}
