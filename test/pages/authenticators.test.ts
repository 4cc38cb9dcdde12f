/**
 * Authenticators as they are: password managers and telephones that answer in ways of their own, in real Chromium. What
 * they answer is a virtual authenticator's (CDP), bent on its way to the page, as a password manager does that puts
 * itself in the browser's place. Whatever they do, the person gets on, or reads what else there is.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ann, secrets, until } from '../support/browsers.ts'
import { begin, type Desk } from '../support/passkey-desk.ts'
import { executablePath, needs } from '../support/programs.ts'
import { passphrase } from '../support/world.ts'

const [first] = secrets

/** What is done with a question of one form: `create`, `eval`, `evalByCredential`, or `none` without PRF. */
type Manner =
  | 'as it is'
  | 'without results'
  | 'with empty results'
  | 'as lists of numbers'
  | 'with other values'
  | 'refused'
  | 'never'
type Manners = Record<string, Manner>

/** Puts such a manager into the desk's pages. Its manners may be changed; `asked` tells what it was asked. */
const manage = async ({ page }: Desk, manners: Manners = {}) => {
  const asked: string[] = []
  await page.exposeFunction('asks', (form: string): Manner => {
    asked.push(form)
    return manners[form] ?? 'as it is'
  })
  await page.addInitScript('globalThis.__name = (named) => named')
  await page.addInitScript(() => {
    const { asks } = globalThis as unknown as { asks: (form: string) => Promise<Manner> }
    const bent = (credential: Credential | null, manner: Manner) => {
      const own = credential as PublicKeyCredential
      const real = own.getClientExtensionResults()
      const octets = (change: (octet: number) => number) => ({
        results: Object.fromEntries(
          Object.entries(real.prf?.results ?? {}).map(([name, output]) => [
            name,
            new Uint8Array(output as ArrayBuffer).map(change),
          ]),
        ),
      })
      const empty = () => new ArrayBuffer(0)
      const listed = () =>
        Object.fromEntries(
          Object.entries(octets((octet) => octet).results).map(([name, output]) => [name, [...output]]),
        )
      const results: Partial<Record<Manner, () => object>> = {
        'without results': () => ({}),
        'with empty results': () => ({ results: { first: empty(), second: empty() } }),
        'as lists of numbers': () => ({ results: listed() }),
        'with other values': () => octets((octet) => octet ^ 255),
      }
      const prf = results[manner]?.()
      if (prf) own.getClientExtensionResults = () => ({ ...real, prf }) as typeof real
      return own
    }
    const { credentials } = navigator
    const [create, get] = [credentials.create.bind(credentials), credentials.get.bind(credentials)]
    const answered = async (form: string, real: () => Promise<Credential | null>) => {
      const manner = await asks(form)
      if (manner === 'refused') throw new DOMException('The operation was not allowed.', 'NotAllowedError')
      // Not even when it is called off.
      if (manner === 'never') return new Promise<never>(() => {})
      return bent(await real(), manner)
    }
    credentials.create = (options) => answered('create', () => create(options))
    credentials.get = (options) => {
      if (options?.mediation === 'conditional') return get(options)
      const prf = options?.publicKey?.extensions?.prf
      const form = prf?.evalByCredential ? 'evalByCredential' : prf?.eval ? 'eval' : 'none'
      return answered(form, () => get(options))
    }
  })
  return { asked, manners }
}

/** Ann, logged in, with such a manager, and as many passkeys as are to be told apart. */
const desk = async (t: TestContext, options: { passkeys: number; manners?: Manners }) => {
  const { desk: seat } = await begin(t)
  const ours = await seat()
  const manager = await manage(ours)
  await ours.logIn()
  const stored = async (name: string) => {
    await ours.add(name)
    await ours.shows('The passkey is stored')
  }
  for (let number = 1; number <= options.passkeys; number += 1) {
    if (number > 1) await ours.plugIn({ transport: 'usb' })
    await stored(`Passkey ${number}`)
  }
  Object.assign(manager.manners, options.manners)
  manager.asked.splice(0)
  return { ours, stored, ...manager }
}

const byPasskey = async (ours: Desk) => {
  await ours.logOut()
  await ours.field('User ID').fill(ann)
  await ours.button('Use passkey').click()
  await ours.heading(/^Inbox/)
}

for (const manner of ['without results', 'with empty results', 'refused', 'never'] as const)
  test(`Where evalByCredential is answered ${manner}, a single passkey opens the key in one question, by eval`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { ours, asked, stored } = await desk(t, {
      passkeys: 0,
      manners: { evalByCredential: manner },
    })
    await stored('Manager')
    await ours.shows('It was tried out, and opens your key itself')
    asked.splice(0)
    await ours.usePasskey()
    await ours.shows(first)
    await byPasskey(ours)
    assert.equal(await ours.isOpen(), true)
    // As proof, too.
    await ours.page.goto('/p')
    await ours.link('Rename or remove').click()
    await ours.link('Prove by a passkey instead').click()
    await ours.button('Remove passkey').click()
    await ours.shows('The passkey is removed')
    assert.deepEqual(asked, ['eval', 'eval', 'eval'])
  })

for (const manner of ['without results', 'with empty results'] as const)
  test(`One of two that answers evalByCredential ${manner} is asked again by eval, and opens the key`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { ours, asked } = await desk(t, { passkeys: 2, manners: { evalByCredential: manner } })
    await ours.usePasskey()
    await ours.shows(first)
    assert.deepEqual(asked.splice(0), ['evalByCredential', 'eval'])
    // The log-in takes the first answer; the key opens with the next touch.
    await byPasskey(ours)
    await ours.shows('use the passphrase or a passkey that opens it')
    assert.deepEqual(asked.splice(0), ['evalByCredential'])
    await ours.usePasskey()
    await ours.shows(first)
  })

for (const manner of ['refused', 'never'] as const)
  test(`One of two that answers evalByCredential ${manner} opens the key at the next press, asked without it`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { ours, asked } = await desk(t, { passkeys: 2, manners: { evalByCredential: manner } })
    await ours.usePasskey()
    await ours.shows(manner === 'refused' ? 'That did not work' : 'Your browser asks for your passkey now')
    await until('the question', () => asked[0] ?? null)
    await ours.button('Use passkey').click()
    await ours.shows(first)
    assert.deepEqual(asked.splice(0), ['evalByCredential', 'none', 'eval'])
    // At the log-in as well, key and all.
    await ours.logOut()
    await ours.field('User ID').fill(ann)
    await ours.button('Use passkey').click()
    await ours.heading('Log in with a passkey')
    await until('the question', () => asked[0] ?? null)
    await ours.button('Use passkey').click()
    await ours.heading(/^Inbox/)
    assert.equal(await ours.isOpen(), true)
  })

test('Where the second question is refused, the next press asks for that passkey alone', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, asked, manners } = await desk(t, {
    passkeys: 2,
    manners: { evalByCredential: 'without results', eval: 'refused' },
  })
  await ours.usePasskey()
  await ours.shows('That did not work')
  manners.eval = 'as it is'
  await ours.button('Use passkey').click()
  await ours.shows(first)
  assert.deepEqual(asked, ['evalByCredential', 'eval', 'eval'])
})

test('Results as plain lists of numbers are results', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const lists = 'as lists of numbers'
  const { ours, asked, stored } = await desk(t, {
    passkeys: 0,
    manners: { create: lists, eval: lists, evalByCredential: lists },
  })
  await stored('Manager')
  await ours.shows('Opens your key itself')
  assert.deepEqual(asked, ['create', 'eval'])
  await ours.usePasskey()
  await ours.shows(first)
})

test('PRF only at get() is found out by a question of its own, also where that was refused at first', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, asked, manners, stored } = await desk(t, {
    passkeys: 0,
    manners: { create: 'without results' },
  })
  await stored('At once')
  await ours.shows('Opens your key itself')
  assert.deepEqual(asked.splice(0), ['create', 'eval', 'eval'])

  await ours.plugIn({ transport: 'usb' })
  manners.eval = 'refused'
  await ours.page.goto('/p/new')
  await ours.button('Make passkey').click()
  await ours.shows('it did not answer yet whether it can keep a secret')
  manners.eval = 'as it is'
  await ours.button('Make passkey').click()
  await ours.shows('This passkey can keep a secret')
  assert.deepEqual(asked.splice(0), ['create', 'eval', 'eval'], 'there is no second passkey on the device')
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('It was tried out, and opens your key itself')
  await ours.usePasskey()
  await ours.shows(first)
})

test('A passkey whose PRF is refused twice is found to have one when it is tried out, and is never held', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, manners } = await desk(t, {
    passkeys: 0,
    manners: { create: 'without results', eval: 'refused' },
  })
  await ours.page.goto('/p/new')
  await ours.button('Make passkey').click()
  await ours.shows('it did not answer yet whether it can keep a secret')
  await ours.button('Make passkey').click()
  await ours.shows('Warning: this passkey cannot keep a secret')
  manners.eval = 'as it is'
  await ours.page.getByRole('checkbox', { name: /^I understand/ }).check()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('This passkey can keep a secret after all')
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('It was tried out, and opens your key itself')
  await ours.usePasskey()
  await ours.shows(first)
})

test('Another value over hybrid opens nothing, the page says what helps, and both ways out work', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, manners } = await desk(t, { passkeys: 1, manners: { eval: 'with other values' } })
  await ours.usePasskey()
  await ours.shows('what it computed this time does not open your key')
  await ours.shows('without another device between; or use the passphrase')
  assert.equal(await ours.isOpen(), false)
  await ours.button('Use passphrase').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('OK').click()
  await ours.shows(first)
  // Logged in all the same, and the key is asked for again.
  await byPasskey(ours)
  await ours.shows('this passkey does not open it here')
  manners.eval = 'as it is'
  await ours.usePasskey()
  await ours.shows(first)
})

test('A passkey that was made over hybrid with another value is stored once it computes the same twice', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, manners } = await desk(t, { passkeys: 0, manners: { create: 'with other values' } })
  await ours.add()
  await ours.shows('This passkey did not compute the same secret twice. Nothing was stored')
  await ours.field('Passphrase').fill(passphrase)
  manners.eval = 'without results'
  await ours.button('Store passkey').click()
  await ours.shows('now the browser sent nothing of it. Nothing was stored')
  manners.eval = 'as it is'
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('It was tried out, and opens your key itself')
  await ours.usePasskey()
  await ours.shows(first)
})

test('One that never answers has its time, then the page says so; all ways on stay open', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, asked, manners } = await desk(t, { passkeys: 1, manners: { create: 'never' } })
  const hurry = () => ours.tamper('"timeout":300000', '"timeout":50')
  await ours.plugIn({ transport: 'usb' })
  await ours.page.goto('/p/new')
  await hurry()
  await ours.button('Make passkey').click()
  await ours.shows('That did not work, or was cancelled')
  manners.create = 'as it is'
  await ours.make()

  manners.eval = 'never'
  await ours.usePasskey()
  await until('the question', () => (asked.at(-1) === 'evalByCredential' ? null : asked.at(-1)!))
  await hurry()
  await ours.button('Use passkey').click()
  await ours.shows('That did not work, or was cancelled')
  await ours.button('Use passphrase').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('OK').click()
  await ours.shows(first)
})

test('One that is refused each time leaves the passphrase, the password and the same button', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const refused = { eval: 'refused', evalByCredential: 'refused', none: 'refused' } as const
  const { ours, manners } = await desk(t, { passkeys: 2, manners: refused })
  await ours.usePasskey()
  for (let press = 0; press < 3; press += 1) {
    await ours.shows('That did not work, or was cancelled')
    await ours.button('Use passkey').click()
  }
  await ours.button('Use passphrase').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('OK').click()
  await ours.shows(first)
  await ours.logOut()
  await ours.field('User ID').fill(ann)
  await ours.button('Use passkey').click()
  await ours.shows('That did not work, or was cancelled')
  // Once it is there, the log-in succeeds by the first answer, whatever becomes of the second.
  manners.none = 'as it is'
  await ours.button('Use passkey').click()
  await ours.heading(/^Inbox/)
  assert.equal(await ours.isOpen(), false)
  await ours.logOut()
  await ours.logIn()
})

test('One without PRF is asked once a use, alone or beside one that has it, and its kind is said', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { ours, asked } = await desk(t, { passkeys: 0 })
  await ours.plugIn({ prf: false })
  await ours.make()
  await ours.shows('Warning: this passkey cannot keep a secret')
  await ours.page.getByRole('checkbox', { name: /^I understand/ }).check()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('It opens your key through this server, which keeps what opens it')
  assert.deepEqual(asked.splice(0), ['create', 'eval', 'eval'])
  await ours.usePasskey()
  await ours.shows(first)
  assert.deepEqual(asked.splice(0), ['none'])
  await byPasskey(ours)
  assert.equal(await ours.isOpen(), true)
  assert.deepEqual(asked.splice(0), ['eval'], 'salts are shown for whoever is asked for')

  // Another one, with PRF, is added; the one without answers.
  const [plain] = await ours.credentials()
  await ours.plugIn({ transport: 'usb' })
  await ours.add('With PRF')
  await ours.shows('opens your key itself')
  await ours.plugIn({ prf: false })
  await ours.carry(plain!)
  await ours.lock()
  asked.splice(0)
  await ours.usePasskey()
  await ours.shows(first)
  await byPasskey(ours)
  assert.equal(await ours.isOpen(), true)
  assert.deepEqual(asked, ['evalByCredential', 'evalByCredential'])
})
