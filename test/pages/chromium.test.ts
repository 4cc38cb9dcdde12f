/**
 * The pages in Chromium, found by role and name as the contract fixes them: the same story with scripts and without;
 * what the script may and may not do; and plain rules of layout and naming on each page, at 240x320 and 1024x768.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { ann, bob, portOf, scratch, secrets, story } from '../support/browsers.ts'
import { faults } from '../support/page-faults.ts'
import { executablePath, flags, needs } from '../support/programs.ts'
import { passphrase, password } from '../support/world.ts'

const [first, second] = secrets

type Seen = {
  page: Page
  /** Path of each request, with its kind. */
  requests: { path: string; type: string }[]
  /** What the browser complained of. */
  complaints: string[]
}

const begin = async (t: TestContext, environment: Record<string, string> = {}, fonts?: string) => {
  const { server, gpg } = await story(t, environment)
  const browser = await chromium.launch({
    executablePath,
    args: flags,
    ...(fonts === undefined ? {} : { env: { ...process.env, FONTCONFIG_FILE: onlyFontsOf(t, fonts) } }),
  })
  t.after(() => browser.close())
  const address = `http://localhost:${portOf(server)}`
  const terminal = async (
    options: { scripts?: boolean; width?: number; height?: number } = {},
  ): Promise<Seen> => {
    const context: BrowserContext = await browser.newContext({
      javaScriptEnabled: options.scripts ?? true,
      viewport: { width: options.width ?? 1024, height: options.height ?? 768 },
      baseURL: address,
      locale: 'en-GB',
    })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    const seen: Seen = { page, requests: [], complaints: [] }
    page.on('request', (request) => {
      if (!request.url().startsWith('data:'))
        seen.requests.push({ path: new URL(request.url()).pathname, type: request.resourceType() })
    })
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text())
    })
    page.on('pageerror', (error) => void seen.complaints.push(error.message))
    return seen
  }
  return { server, gpg, address, terminal }
}

/** Settings of fontconfig with which no font is installed but those of one folder. */
const onlyFontsOf = (t: TestContext, fonts: string): string => {
  const folder = scratch(t)
  const file = join(folder, 'fonts.conf')
  writeFileSync(
    file,
    `<?xml version="1.0"?><fontconfig><dir>${fonts}</dir><cachedir>${folder}</cachedir></fontconfig>`,
  )
  return file
}

/** A link or a button with exactly this name. */
const control = (page: Page, name: string) =>
  page.getByRole('link', { name, exact: true }).or(page.getByRole('button', { name, exact: true }))
const heading = (page: Page, name: string | RegExp) =>
  page.getByRole('heading', typeof name === 'string' ? { name, exact: true } : { name }).waitFor()
const shows = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor()
/** A field with exactly this name, one for passwords included. */
const field = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true })

const logIn = async (page: Page) => {
  await page.goto('/login')
  await field(page, 'User ID').fill(ann)
  await field(page, 'Password').fill(password)
  await page.getByRole('button', { name: 'Login', exact: true }).click()
  await heading(page, /^Inbox/)
}

const unlock = async (page: Page) => {
  await heading(page, 'Secret key use')
  await field(page, 'Passphrase').fill(passphrase)
  await page.getByRole('button', { name: 'OK', exact: true }).click()
}

const openMail = async (page: Page, subject: string) => {
  await page.getByRole('link', { name: subject, exact: true }).click()
  await heading(page, subject)
}

for (const scripts of [true, false]) {
  const how = scripts ? 'with scripts' : 'without scripts'

  test(`In Chromium ${how}, log-in, unlock, two mails, a signed letter, lock and log-out (S1090-S1510, P57, C2, C3, C7, C8, F4-F9)`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { server, gpg, terminal } = await begin(t)
    const { page, complaints } = await terminal({ scripts })
    await page.goto('/login')
    await page.getByRole('button', { name: 'Clear', exact: true }).waitFor()
    await field(page, 'User ID').fill(ann)
    await field(page, 'Password').fill('not the password')
    await page.getByRole('button', { name: 'Login', exact: true }).click()
    await shows(page, 'User ID or password is wrong')
    assert.equal(await field(page, 'User ID').inputValue(), ann)
    await field(page, 'Password').fill(password)
    await page.getByRole('button', { name: 'Login', exact: true }).click()
    await heading(page, /^Inbox/)
    for (const name of ['Inbox', 'Sent', 'Drafts', 'Compose', 'Decrypt', 'Sign', 'Log out'])
      assert.equal(await control(page, name).count(), 1, name)
    assert.equal(await control(page, 'Lock key').count(), 0)

    await openMail(page, 'First plan')
    await shows(page, 'carol@elsewhere.test')
    await control(page, 'Decrypt').click()
    await heading(page, 'Secret key use')
    for (const name of ['OK', 'Clear', 'Cancel']) assert.equal(await control(page, name).count(), 1, name)
    await field(page, 'Passphrase').fill('not the passphrase')
    await control(page, 'OK').click()
    await shows(page, 'The passphrase is wrong')
    await field(page, 'Passphrase').fill(passphrase)
    await field(page, 'Passphrase again').fill('another')
    await control(page, 'OK').click()
    await shows(page, 'The two passphrases differ')
    await control(page, 'Cancel').click()
    await heading(page, 'First plan')
    assert.equal(await control(page, 'Lock key').count(), 0)
    await control(page, 'Decrypt').click()
    await unlock(page)
    await shows(page, first)
    for (const name of ['Decrypt, key open', 'Sign, key open', 'Lock key'])
      assert.equal(await control(page, name).count(), 1, name)

    await control(page, 'Inbox').click()
    await heading(page, /^Inbox/)
    await openMail(page, 'Second plan')
    await control(page, 'Decrypt, key open').click()
    await shows(page, second)
    await control(page, 'Lock key').click()
    await shows(page, 'Your key is locked')

    await control(page, 'Compose').click()
    await heading(page, 'Compose')
    await field(page, 'To').fill(bob)
    await field(page, 'Subject').fill('Tickets')
    await field(page, 'Text').fill('Two tickets, please.')
    await control(page, 'Sign').click()
    await heading(page, 'Secret key use')
    await control(page, 'Cancel').click()
    await heading(page, 'Compose')
    assert.equal((await field(page, 'Text').inputValue()).trim(), 'Two tickets, please.')
    assert.equal(await field(page, 'To').inputValue(), bob)
    await control(page, 'Sign').click()
    await unlock(page)
    await shows(page, 'Signed, and ready to send')
    assert.match(await field(page, 'Text').inputValue(), /BEGIN PGP SIGNED MESSAGE/)
    await control(page, 'Save draft').waitFor()
    await control(page, 'Send').click()
    await shows(page, `Sent to ${bob}`)
    const other = await server.terminal(bob)
    const { body: list } = await other.get('/folders/Inbox/messages')
    const { body: raw } = await other.get(`/messages/${list.messages[0].id}/raw`)
    const { body: keys } = await (await server.terminal(ann)).get('/keys')
    gpg.ok(['--import'], keys.keys[0].public)
    assert.match(gpg.run(['--verify'], String(raw)).status, /GOODSIG/)

    await control(page, 'Inbox').click()
    await openMail(page, 'First plan')
    await control(page, 'Decrypt, key open').click()
    await shows(page, first)
    await control(page, 'Log out').click()
    await field(page, 'User ID').waitFor()
    for (let step = 0; step < 3; step += 1) {
      await page.goBack()
      await field(page, 'User ID').waitFor()
      assert.ok(!(await page.content()).includes(first))
    }
    assert.deepEqual(complaints, [])
  })

  test(`In Chromium ${how}, three screens stop the other terminal, which is told (S2000-S2100, P82, C8)`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { terminal } = await begin(t)
    const [{ page: desk }, { page: handheld }] = [
      await terminal({ scripts }),
      await terminal({ scripts, width: 240, height: 320 }),
    ]
    await logIn(desk)
    await openMail(desk, 'First plan')
    await control(desk, 'Decrypt').click()
    await unlock(desk)
    await shows(desk, first)

    await logIn(handheld)
    await openMail(handheld, 'Second plan')
    await control(handheld, 'Decrypt').click()
    await heading(handheld, 'Key in use elsewhere')
    await control(handheld, 'Decrypt').click()
    await heading(handheld, 'Stop the other use?')
    await control(handheld, 'Cancel').click()
    await heading(handheld, 'Second plan')
    await control(desk, 'Inbox').click()
    await control(desk, 'Lock key').waitFor()

    await control(handheld, 'Decrypt').click()
    await heading(handheld, 'Key in use elsewhere')
    await control(handheld, 'Decrypt').click()
    await heading(handheld, 'Stop the other use?')
    await control(handheld, 'OK').click()
    await heading(handheld, 'Secret key use')
    await openMail(desk, 'First plan')
    await shows(desk, /stopped the use of your key here/)
    await unlock(handheld)
    await shows(handheld, second)
    await control(desk, 'Decrypt').click()
    await heading(desk, 'Key in use elsewhere')
  })
}

test('Log-in to decrypted text takes at most seven requests without scripts, one for each page', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { terminal } = await begin(t)
  const { page, requests } = await terminal({ scripts: false })
  await logIn(page)
  await openMail(page, 'First plan')
  await control(page, 'Decrypt').click()
  await unlock(page)
  await shows(page, first)
  assert.ok(requests.length <= 7, JSON.stringify(requests))
  assert.ok(
    requests.every(({ type }) => type === 'document'),
    JSON.stringify(requests),
  )
})

test('The script comes after log-in only, once, never where a passphrase is typed; pages then cost one request', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { terminal } = await begin(t)
  const { page, requests, complaints } = await terminal()
  const kinds = () =>
    requests.splice(0).map(({ path, type }) => (type === 'script' ? type : `${type} ${path}`))
  const hasScript = () => page.locator('script').count()
  const following = () => page.waitForFunction(() => document.querySelector('nav a[hx-boost=true]') !== null)
  await page.goto('/login')
  assert.equal(await hasScript(), 0)
  await logIn(page)
  await following()
  assert.deepEqual(kinds(), [
    'document /login',
    'document /login',
    'document /login',
    'document /f/inbox',
    'script',
  ])

  await control(page, 'Compose').click()
  await heading(page, 'Compose')
  assert.deepEqual(kinds(), ['xhr /c'])
  assert.equal(new URL(page.url()).pathname, '/c')
  assert.equal(await page.title(), 'Compose')
  const focused = () => page.evaluate(() => document.activeElement?.tagName)
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1')

  await control(page, 'Sent').click()
  await heading(page, /^Sent/)
  assert.deepEqual(kinds(), ['xhr /f/sent'])
  for (const [path, title] of [
    ['/c', /^Compose/],
    ['/f/inbox', /^Inbox/],
  ] as const) {
    await page.goBack()
    await heading(page, title)
    assert.equal(new URL(page.url()).pathname, path)
    assert.match(await page.title(), title)
  }
  await page.goForward()
  await heading(page, 'Compose')
  await page.goBack()
  await heading(page, /^Inbox/)
  await following()

  await openMail(page, 'First plan')
  await following()
  kinds()
  await control(page, 'Decrypt').click()
  await heading(page, 'Secret key use')
  assert.equal(await hasScript(), 0)
  assert.equal(
    await page.evaluate(() => 'htmx' in window || document.querySelector('[hx-boost=true]') !== null),
    false,
  )
  assert.ok(kinds().every((kind) => kind !== 'script'))
  await unlock(page)
  await shows(page, first)
  assert.notEqual(await focused(), 'INPUT')

  await following()
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]),
  )
  assert.doesNotMatch(kept, /ferry|plan|Inbox|<p|form/i)
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0)
  await control(page, 'Lock key').click()
  await shows(page, 'Your key is locked')
  await control(page, 'Log out').click()
  await field(page, 'User ID').waitFor()
  assert.equal(await hasScript(), 0)
  assert.deepEqual(complaints, [])
})

for (const { width, height, scheme, fonts } of [
  { width: 240, height: 320, scheme: 'light', fonts: undefined },
  // Lower and wider letters than those that most machines have.
  { width: 240, height: 320, scheme: 'light', fonts: '/usr/share/fonts/truetype/vlgothic' },
  { width: 1024, height: 768, scheme: 'dark', fonts: undefined },
] as const)
  test(`At ${width}x${height} in ${scheme} colours${fonts ? ' with other fonts' : ''} no page scrolls sideways; controls are labelled, big enough, and read well`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    if (fonts && !existsSync(fonts)) return t.skip(`This test needs the fonts in ${fonts}.`)
    const { server, terminal } = await begin(t, {}, fonts)
    await server.deliver(
      ann,
      `From: "${'Very long name '.repeat(8)}" <dora@elsewhere.test>\nTo: ${ann}\nSubject: ${'Unbreakable'.repeat(12)}\n\nhttps://elsewhere.test/${'path'.repeat(60)}\n`,
    )
    const { page } = await terminal({ scripts: true, width, height })
    await page.emulateMedia({ colorScheme: scheme })
    const faulty: Record<string, string[]> = {}
    const check = async (name: string) => {
      const wrong = await faults(page)
      if (wrong.length) faulty[name] = wrong
      if (process.env.SCREENSHOTS)
        await page.screenshot({
          path: `${process.env.SCREENSHOTS}/${name.replace(/\W+/g, '-')}-${width}.png`,
          fullPage: true,
        })
    }
    await page.goto('/login')
    await check('login')
    await logIn(page)
    for (const path of [
      '/f/inbox',
      '/c',
      '/folders',
      '/t',
      '/log',
      '/k',
      '/aliases',
      '/smime',
      '/ssh',
      '/s',
      '/files',
      '/find?q=nothing',
      '/q',
      '/nothing',
      '/m/1',
      '/m/3',
      '/m/1/open',
    ]) {
      await page.goto(path)
      await check(path)
    }
    await unlock(page)
    await shows(page, first)
    await check('opened')
    const { page: other } = await terminal({ scripts: false })
    await logIn(other)
    await other.goto('/m/1/open?again=1')
    await control(other, 'OK').click()
    await unlock(other)
    await shows(other, first)
    await page.goto('/f/inbox')
    await check('stopped')
    await page.goto('/m/1/open')
    await heading(page, 'Key in use elsewhere')
    await check('elsewhere')
    await control(page, 'Decrypt').click()
    await heading(page, 'Stop the other use?')
    await check('stop')
    assert.deepEqual(faulty, {})
  })
