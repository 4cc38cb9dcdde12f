/** A letter on a page: Back, Reload, a second press, an old page, a lost cookie, a restart: the text is there, and one letter leaves. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chromium, type Page } from 'playwright-core'
import { executablePath, flags, needs } from '../support/programs.ts'
import { sqliteOf } from '../support/sqlite.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const text = 'The key lies under the third pot.'

const desk = async (t: TestContext, scripts: boolean) => {
  const made = await world(t)
  await made.addUser(ann)
  await made.addUser(bob)
  const browser = await chromium.launch({ executablePath, args: flags })
  t.after(() => browser.close())
  const context = await browser.newContext({ javaScriptEnabled: scripts, locale: 'en-GB' })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const address = `http://localhost:${new URL(made.url).port}`
  await page.goto(`${address}/login`)
  await logIn(page)
  return { made, context, page, address }
}

const field = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true })
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const heading = (page: Page, name: string | RegExp) =>
  page.getByRole('heading', typeof name === 'string' ? { name, exact: true } : { name }).waitFor()
const logIn = async (page: Page) => {
  await field(page, 'User ID').fill(ann)
  await field(page, 'Password').fill(password)
  await button(page, 'Login').click()
}
const write = async (page: Page) => {
  await page.getByRole('link', { name: 'Compose', exact: true }).click()
  await heading(page, 'Compose')
  await field(page, 'To').fill(bob)
  await field(page, 'Subject').fill('The pots')
  await field(page, 'Text').fill(text)
}
const holdsText = async (page: Page) => {
  await heading(page, 'Compose')
  assert.equal((await field(page, 'Text').inputValue()).trim(), text)
}

const count = async (made: World, address: string, kind: 'inbox' | 'sent' | 'drafts') => {
  const { id } = await made.services.users.named(address)
  const folder = await made.services.mailboxes.fixedFolder(id, kind)
  return (await made.services.mailboxes.ids(folder.id)).length
}
const oneLeft = async (made: World) =>
  assert.deepEqual(
    [await count(made, bob, 'inbox'), await count(made, ann, 'sent'), await count(made, ann, 'drafts')],
    [1, 1, 0],
  )

for (const scripts of [true, false]) {
  const how = scripts ? 'with scripts' : 'without scripts'

  test(`a letter is never lost, in Chromium ${how}: Back, Reload, Send twice, Save twice`, async (t) => {
    if (!needs(t, executablePath)) return
    const { made, page } = await desk(t, scripts)
    await write(page)
    await page.getByRole('link', { name: 'Inbox', exact: true }).click()
    await heading(page, /^Inbox/)
    await page.goBack()
    await holdsText(page)
    await button(page, 'Save draft').click()
    await heading(page, /^Drafts/)
    await page.goBack()
    await holdsText(page)
    await button(page, 'Save draft').click()
    await heading(page, /^Drafts/)
    assert.equal(await count(made, ann, 'drafts'), 1)
    await page.goBack()
    await holdsText(page)
    await button(page, 'Send').click()
    await page.getByText(`Sent to ${bob}`).waitFor()
    await page.goBack()
    await holdsText(page)
    await button(page, 'Send').click()
    await page.getByText(`Sent to ${bob}`).waitFor()
    await oneLeft(made)
  })

  test(`a letter is never lost, in Chromium ${how}: Sign, unlock, Reload, lock, language, an old token, a lost cookie`, async (t) => {
    if (!needs(t, executablePath)) return
    const { made, context, page, address } = await desk(t, scripts)
    await write(page)
    await button(page, 'Sign').click()
    await heading(page, 'Secret key use')
    await field(page, 'Passphrase').fill(passphrase)
    await button(page, 'OK').click()
    await page.getByText('Signed, and ready to send').waitFor()
    await page.reload()
    await heading(page, 'Compose')
    assert.match(await field(page, 'Text').inputValue(), /third pot/)
    await field(page, 'Text').fill(text)
    await button(page, 'Lock key').click()
    await page.getByText('Your key is locked').waitFor()
    await holdsText(page)

    const second = await context.newPage()
    await second.goto(`${address}/f/inbox`)
    await button(second, 'Log out').click()
    await second.getByText('You are logged out').waitFor()
    await logIn(second)
    await heading(second, /^Inbox/)
    await button(page, 'Send').click()
    await page.getByText('This page was too old').waitFor()
    await holdsText(page)
    assert.equal(await count(made, bob, 'inbox'), 0)

    await context.clearCookies()
    await button(page, 'Send').click()
    await page.getByText('what you wrote comes back').waitFor()
    await page.getByRole('button', { name: '日本語' }).click()
    await page.getByRole('button', { name: 'English' }).click()
    await logIn(page)
    await holdsText(page)
    await button(page, 'Send').click()
    await page.getByText(`Sent to ${bob}`).waitFor()
    await oneLeft(made)
  })
}

test('a letter is never lost: with 40 MB attached the text is there, nothing left, and the limit is named', async (t) => {
  if (!needs(t, executablePath)) return
  const { made, page } = await desk(t, false)
  await write(page)
  const file = join(made.folder, 'film.bin')
  writeFileSync(file, Buffer.alloc(40_000_000))
  await page.locator('input[type=file]').setInputFiles(file)
  await button(page, 'Send').click()
  await page.getByText('The files are too large: a letter with its files may have 37.7 MB').waitFor()
  await holdsText(page)
  assert.equal(await count(made, bob, 'inbox'), 0)
  await button(page, 'Send').click()
  await page.getByText(`Sent to ${bob}`).waitFor()
  await oneLeft(made)
})

test('opening a form writes nothing: the files of a forwarded mail are named, and go along when it leaves', async (t) => {
  if (!needs(t, executablePath)) return
  const { made, page, address } = await desk(t, false)
  const { id: annId } = await made.services.users.named(ann)
  const inbox = await made.services.mailboxes.fixedFolder(annId, 'inbox')
  const part = (name: string) =>
    `--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=${name}\n\n${name} of March\n`
  await made.deliver(
    ann,
    `From: ${bob}\nTo: ${ann}\nSubject: Sums\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n${part('in.csv')}${part('out.csv')}--b--\n`,
  )
  const [id] = await made.services.mailboxes.ids(inbox.id)
  const { db } = made.services
  const forms = () => sqliteOf(db).prepare('SELECT count(*) FROM parked_forms').pluck().get()
  await page.goto(`${address}/c?fw=${id}`)
  await page.getByText('in.csv (').waitFor()
  assert.equal(forms(), 0)
  await field(page, 'To').fill(bob)
  await button(page, 'Send').click()
  await page.getByText(`Sent to ${bob}`).waitFor()
  const terminal = await made.terminal(bob)
  await terminal.unlock()
  const { body: list } = await terminal.get('/folders/Inbox/messages')
  assert.equal(list.messages[0].security, 'encrypted', 'whom one has a key of gets it encrypted')
  const { body: mail } = await terminal.post(`/messages/${list.messages[0].id}/decrypt`)
  assert.deepEqual(
    mail.attachments.map(({ name }: { name: string }) => name),
    ['in.csv', 'out.csv'],
  )
})

test('a letter starts encrypted where its recipient has a key, signed too where the key is open, and says why not', async (t) => {
  if (!needs(t, executablePath)) return
  const { page, address } = await desk(t, false)
  const start = async (to: string) => {
    await page.goto(`${address}/c?to=${to}`)
    return page.locator('select[name=prot]').inputValue()
  }
  assert.equal(await start(bob), 'encrypt')
  assert.equal(await start('eve@far.example'), 'auto')
  await page.getByText('There is no public key for eve@far.example, so this starts unencrypted.').waitFor()
  await field(page, 'Text').fill('x')
  await button(page, 'Sign').click()
  await field(page, 'Passphrase').fill(passphrase)
  await button(page, 'OK').click()
  await page.getByText('Signed, and ready to send').waitFor()
  assert.equal(await start(bob), 'both')
})

test('the recovery code of the set-up survives a Reload, once', async (t) => {
  if (!needs(t, executablePath)) return
  const made = await world(t)
  const browser = await chromium.launch({ executablePath, args: flags })
  t.after(() => browser.close())
  const page = await (await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB' })).newPage()
  await page.goto(made.running.setupLink!)
  const typed = { address: ann, pass: password, passphrase, passphrase2: passphrase }
  for (const [name, value] of Object.entries(typed)) await page.locator(`[name=${name}]`).fill(value)
  await button(page, 'Begin').click()
  const code = async () =>
    (await page.locator('main').innerText()).match(/Recovery code:\s*([\w ]+)/)?.[1]?.trim()
  const first = await code()
  assert.ok(first)
  await page.reload()
  assert.equal(await code(), first)
  await page.reload()
  assert.equal(await code(), undefined)
})
