/** A letter is never lost and never leaves twice. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eq } from 'drizzle-orm'
import { generateKey } from 'openpgp'
import { keyPairs } from '../../server/ground/store/tables.ts'
import type { Letter } from '../../server/mail/letters.ts'
import { cellOf } from '../support/databases.ts'
import { type World, world } from '../support/world.ts'

const ann = 'ann@example.org'
const bob = 'bob@example.org'

const letter = (more: Partial<Letter> = {}): Letter => ({
  to: bob,
  cc: '',
  bcc: '',
  subject: 'The shed',
  text: 'Paint it green.',
  attachments: [],
  inReplyTo: null,
  sign: false,
  encrypt: false,
  kind: null,
  ...more,
})

const sessionOf = async (made: World, address: string) => {
  const terminal = await made.terminal(address)
  return (await made.services.sessions.contact(terminal.token!))!
}

/** How many there are in a folder. */
const count = async (made: World, address: string, kind: 'inbox' | 'sent' | 'drafts') => {
  const { id } = await made.services.users.named(address)
  const folder = await made.services.mailboxes.fixedFolder(id, kind)
  return (await made.services.mailboxes.ids(folder.id)).length
}

const people = async (t: Parameters<typeof world>[0]) => {
  const made = await world(t)
  await made.addUser(ann)
  await made.addUser(bob)
  return made
}

test('once: a letter sent twice by its number, also at once, leaves once and has one copy', async (t) => {
  const made = await people(t)
  const { letters } = made.services
  const session = await sessionOf(made, ann)
  const send = () => letters.send(session, null, letter(), { number: 'letter-one' })
  const answers = await Promise.allSettled([send(), send(), send()])
  assert.deepEqual(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
  await made.restart()
  await assert.rejects(made.services.letters.send(session, null, letter(), { number: 'letter-one' }), {
    code: 'exists',
  })
  assert.deepEqual([await count(made, bob, 'inbox'), await count(made, ann, 'sent')], [1, 1])
  const { user } = session
  const departed = (each: Letter) =>
    made.services.letters.departed(user, 'letter-one', { ...each, attachments: [] })
  assert.equal((await departed(letter()))?.same, true)
  assert.equal((await departed(letter({ text: 'Paint it red.' })))?.same, false)
  assert.equal(
    await made.services.letters.departed(user, 'letter-two', { ...letter(), attachments: [] }),
    null,
  )
  await made.services.letters.send(session, null, letter(), { number: 'letter-two' })
  assert.equal(await count(made, bob, 'inbox'), 2, 'another letter with the same text is another letter')
})

test('once: a draft saved twice by its number is one draft, and is gone when the letter leaves', async (t) => {
  const made = await people(t)
  const { letters } = made.services
  const session = await sessionOf(made, ann)
  const number = 'letter-one'
  await Promise.all([1, 2].map((each) => letters.saveDraft(session, letter({ text: `${each}` }), { number })))
  const { id } = await letters.saveDraft(session, letter(), { number })
  assert.equal(await count(made, ann, 'drafts'), 1)
  assert.equal(await letters.numberOf(session.user, id), number, 'the draft keeps its number')
  await letters.send(session, null, letter(), { number })
  assert.equal(await count(made, ann, 'drafts'), 0)
  await assert.rejects(letters.saveDraft(session, letter(), { number }), { code: 'exists' })
  await assert.rejects(
    letters
      .send(session, null, letter(), { draft: id })
      .then(() => letters.send(session, null, letter(), { number })),
    {
      code: 'exists',
    },
  )
})

test('once: a letter that was taken back may leave, once more', async (t) => {
  const made = await people(t)
  const { letters } = made.services
  const session = await sessionOf(made, ann)
  const number = 'letter-one'
  const held = await letters.send(session, null, letter(), { number, holdMs: 60_000 })
  await letters.recall(session, held.id)
  assert.equal(await letters.numberOf(session.user, held.id), number)
  await letters.send(session, null, letter(), { number })
  await assert.rejects(letters.send(session, null, letter(), { number }), { code: 'exists' })
  assert.deepEqual(
    [await count(made, bob, 'inbox'), await count(made, ann, 'sent'), await count(made, ann, 'drafts')],
    [1, 1, 0],
  )
})

test('the order: a letter whose copy cannot be made is delivered to nobody', async (t) => {
  const made = await people(t)
  const { publicKey } = await generateKey({
    userIDs: [{ email: 'dora@example.org' }],
    date: new Date(Date.now() - 3 * 86_400_000),
    keyExpirationTime: 86_400,
    format: 'binary',
  })
  const user = await made.addUser('dora@example.org')
  await made.services.db.update(keyPairs).set({ publicKey }).where(eq(keyPairs.userId, user.id)) // it has expired
  const dora = await made.terminal('dora@example.org')
  for (const wanted of [letter(), letter({ cc: ann })]) {
    const { status, body } = await dora.post('/messages', {
      ...wanted,
      attachments: [],
      inReplyTo: undefined,
    })
    const sent = await count(made, 'dora@example.org', 'sent')
    assert.equal(await count(made, bob, 'inbox'), sent, `${status} ${JSON.stringify(body)}`)
  }
})

test('a parked file of several pieces comes back whole, to its owner alone, and goes with all of them', async (t) => {
  const made = await people(t)
  const { parkedForms, users, db } = made.services
  const [owner, other] = [await users.named(ann), await users.named(bob)]
  const rows = () => cellOf<number>(db, 'SELECT count(*) FROM parked_forms')
  const octets = Buffer.alloc(2_500_003, 'pieces of a file')
  const ticket = await parkedForms.parkFile(owner.id, octets)
  assert.equal(await rows(), 4)
  assert.deepEqual(Buffer.from((await parkedForms.openFile(owner.id, ticket))!), octets)
  assert.equal(await parkedForms.openFile(other.id, ticket), null)
  const empty = await parkedForms.parkFile(owner.id, new Uint8Array())
  assert.equal((await parkedForms.openFile(owner.id, empty))!.length, 0)
  await parkedForms.finish([ticket])
  made.pass(11 * 60_000)
  assert.equal(await parkedForms.openFile(owner.id, ticket), null)
  await parkedForms.sweep()
  assert.equal(await rows(), 1)
  await parkedForms.drop(empty)
  assert.equal(await rows(), 0)
})
