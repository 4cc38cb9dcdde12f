/**
 * Terminals whose browser is real Chromium, each with a virtual authenticator of its own (CDP), as a person uses them.
 */
import { after, type TestContext } from 'node:test'
import {
  type Browser,
  type CDPSession,
  chromium,
  type Page,
  type Request,
  type Response,
} from 'playwright-core'
import { ann, portOf, story } from './browsers.ts'
import { executablePath, flags } from './programs.ts'
import { passphrase, password } from './world.ts'

type Authenticator = { prf?: boolean; verifies?: boolean; transport?: 'internal' | 'usb' }
export type Credential = {
  credentialId: string
  signCount: number
  privateKey: string
  rpId: string
  userHandle: string
}

/** As WebAuthn writes it. */
export const idOf = ({ credentialId }: Credential) =>
  Buffer.from(credentialId, 'base64').toString('base64url')

/** A terminal's page, with an authenticator of its own. */
export class Desk {
  readonly page: Page
  readonly #cdp: CDPSession
  /** Forms that the browser sent, newest last. */
  readonly sent: URLSearchParams[] = []
  readonly scripts: string[] = []
  /** The page as it came. */
  answer: Response | null = null
  readonly complaints: string[] = []
  #id = ''

  constructor(page: Page, cdp: CDPSession) {
    this.page = page
    this.#cdp = cdp
    page.setDefaultTimeout(15_000)
    page.on('request', (request: Request) => {
      if (request.method() === 'POST') this.sent.push(new URLSearchParams(request.postData() ?? ''))
      if (request.resourceType() === 'script') this.scripts.push(new URL(request.url()).pathname)
    })
    page.on('response', (response) => {
      if (response.request().isNavigationRequest() && response.ok()) this.answer = response
    })
    page.on('console', (message) => {
      if (message.text().startsWith("Loading the image 'data:,'")) return
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => void this.complaints.push(error.message))
  }

  /** Plugs in another authenticator in place of the one that is there. */
  async plugIn({ prf = true, verifies = true, transport = 'internal' }: Authenticator = {}) {
    if (this.#id) await this.unplug()
    const { authenticatorId } = await this.#cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport,
        hasResidentKey: true,
        hasUserVerification: verifies,
        isUserVerified: verifies,
        hasPrf: prf,
        automaticPresenceSimulation: true,
      },
    })
    this.#id = authenticatorId
  }

  async unplug() {
    await this.#cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: this.#id })
    this.#id = ''
  }

  /** Whether somebody touches it whenever it asks. */
  async isTouched(enabled: boolean) {
    const authenticatorId = this.#id
    await this.#cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })
  }

  /** Changes what the page asks the browser for. */
  async tamper(change: string, as: string) {
    await this.page.evaluate(
      ([from, to]) => {
        const form = document.querySelector('form[data-options]') as HTMLFormElement
        form.dataset.options = form.dataset.options!.replaceAll(from!, to!)
      },
      [change, as],
    )
  }

  async credentials(): Promise<Credential[]> {
    const { credentials } = await this.#cdp.send('WebAuthn.getCredentials', { authenticatorId: this.#id })
    return credentials as unknown as Credential[]
  }

  /** The same credential again, with another counter: a copy of it. */
  async setCounter(credential: Credential, signCount: number) {
    const { credentialId } = credential
    await this.#cdp.send('WebAuthn.removeCredential', { authenticatorId: this.#id, credentialId })
    await this.carry({ ...credential, signCount })
  }

  /** Puts a credential into the authenticator that is plugged in. */
  async carry(credential: Credential) {
    await this.#cdp.send('WebAuthn.addCredential', {
      authenticatorId: this.#id,
      credential: { ...credential, isResidentCredential: true },
    })
  }

  // ---- as a person uses it

  button = (name: string) => this.page.getByRole('button', { name, exact: true })
  link = (name: string) => this.page.getByRole('link', { name, exact: true })
  field = (name: string) => this.page.getByRole('textbox', { name, exact: true })
  heading = (name: string | RegExp) =>
    this.page.getByRole('heading', typeof name === 'string' ? { name, exact: true } : { name }).waitFor()
  /** Waits for the text on the page. */
  shows = (text: string | RegExp) => this.#waits(String(text), this.page.getByText(text).first().waitFor())
  /** Waits for what the page says has happened, whatever it is. */
  status = () => this.#waits('a status', this.page.locator('[role=status] p').first().waitFor())
  async #waits(wanted: string, found: Promise<void>) {
    try {
      await found
    } catch (cause) {
      const text = (await this.page.locator('body').innerText()).replace(/\s+/g, ' ')
      throw new Error(`expected ${wanted}, got: ${text}`, { cause })
    }
  }
  isOpen = async () => (await this.button('Lock key').count()) === 1

  async logIn(user = ann) {
    await this.page.goto('/login')
    await this.field('User ID').fill(user)
    await this.field('Password').fill(password)
    await this.button('Login').click()
    await this.heading(/^Inbox/)
  }

  async logOut() {
    await this.button('Log out').click()
    await this.field('User ID').waitFor()
  }

  /** Up to the page where the new passkey is tried out. */
  async make() {
    await this.page.goto('/p/new')
    await this.button('Make passkey').click()
    await this.heading('Try out and store the passkey')
  }

  async add(name = 'My finger', words = passphrase) {
    await this.make()
    await this.field('Name').fill(name)
    await this.field('Passphrase').fill(words)
    await this.button('Store passkey').click()
  }

  /** To the unlock window of a mail. */
  async press(subject = 'First plan') {
    await this.page.goto('/f/inbox')
    await this.link(subject).click()
    await this.heading(subject)
    await this.button('Decrypt').or(this.link('Decrypt')).click()
    await this.heading('Secret key use')
  }

  async usePasskey(subject = 'First plan') {
    await this.press(subject)
    await this.button('Use passkey').click()
  }

  async lock() {
    await this.button('Lock key').click()
    await this.shows('Your key is locked')
  }

  /** The newest assertion that a form carried. */
  asserted(): Asserted {
    const form = this.sent.findLast((each) => each.has('asserted'))
    return JSON.parse(form!.get('asserted')!)
  }
}
export type Asserted = { response: string; prf?: { output: string; next: string } }

/** One for all tests of a file: what a desk keeps is its own, and goes with the test. */
let browser: Promise<Browser> | undefined
after(async () => (await browser)?.close())

export const begin = async (t: TestContext, environment: Record<string, string> = {}) => {
  const { server } = await story(t, environment)
  browser ??= chromium.launch({ executablePath, args: flags })
  const chrome = await browser
  const address = `http://localhost:${portOf(server)}`
  const desk = async (
    options: { scripts?: boolean; width?: number; height?: number; at?: string; locale?: string } = {},
  ): Promise<Desk> => {
    const context = await chrome.newContext({
      javaScriptEnabled: options.scripts ?? true,
      viewport: { width: options.width ?? 360, height: options.height ?? 640 },
      baseURL: options.at ?? address,
      locale: options.locale ?? 'en-GB',
    })
    t.after(() => context.close())
    const page = await context.newPage()
    const cdp = await context.newCDPSession(page)
    await cdp.send('WebAuthn.enable')
    const made = new Desk(page, cdp)
    await made.plugIn()
    return made
  }
  return { server, address, desk }
}
