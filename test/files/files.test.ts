/** The box of files by the API: what goes in and comes out, what may not, and what is on the disk meanwhile. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { filePieces } from '../../server/ground/store/tables.ts'
import { problem, type Terminal, type World, world } from '../support/world.ts'

const mebi = 1024 * 1024

/** A call whose body or answer is octets. */
const octetsOf = (terminal: Terminal, { url }: World) => {
  const call = (method: string, path: string, body?: Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${url}/api${path}`, {
      method,
      headers: {
        authorization: `Bearer ${terminal.token}`,
        ...(terminal.keyToken ? { 'wafer-key': terminal.keyToken } : {}),
        ...headers,
      },
      ...(body ? { body: new Uint8Array(body) } : {}),
    })
  return {
    call,
    put: (path: string, octets: Uint8Array | string) => call('PUT', `/files/${path}`, Buffer.from(octets)),
    get: async (path: string, range?: string) => {
      const answer = await call('GET', `/files/${path}`, undefined, range ? { range } : {})
      return {
        status: answer.status,
        headers: answer.headers,
        octets: Buffer.from(await answer.arrayBuffer()),
      }
    },
  }
}

const names = async (terminal: Terminal, query = '') =>
  (await terminal.get(`/files${query}`)).body.files.map(({ name }: { name: string }) => name)

const used = async (terminal: Terminal): Promise<number> => (await terminal.get('/session')).body.space.used

test('P24: a file is put without the key and read with it, from any place, and lies encrypted', async (t) => {
  const w = await world(t)
  const ann = await w.addUser('ann@wafer.test')
  const terminal = await w.terminal('ann@wafer.test')
  const { put, get, call } = octetsOf(terminal, w)

  const large = randomBytes(2 * mebi + 12_345)
  const secret = 'the place where the seal of the house is kept'
  assert.equal((await put('letters/2026/large.bin', large)).status, 201)
  assert.equal((await put('note.txt', secret)).status, 201)
  assert.equal((await put('empty', '')).status, 201)
  assert.deepEqual(await names(terminal), ['empty', 'letters/2026/large.bin', 'note.txt'])
  const [, folder, note] = (await terminal.get('/files?in=')).body.files
  assert.deepEqual(
    [folder.name, folder.type, note.name, note.type, note.size],
    ['letters', 'folder', 'note.txt', 'text/plain', 45],
  )
  assert.deepEqual(await names(terminal, '?in=letters'), ['2026'])
  const page = (await terminal.get('/files?limit=2')).body
  assert.deepEqual(await names(terminal, `?limit=2&before=${encodeURIComponent(page.next)}`), ['note.txt'])

  const pieces = await w.services.db.select({ octets: filePieces.octets }).from(filePieces)
  assert.equal(pieces.length, 4)
  assert.ok(pieces.every(({ octets }) => !Buffer.from(octets).includes('seal of the house')))
  assert.ok((await used(terminal)) > large.length)

  const locked = await terminal.get('/files/note.txt')
  assert.deepEqual([locked.status, problem(locked)], [403, 'allowance-required'])
  assert.equal((await call('HEAD', '/files/note.txt')).headers.get('content-length'), '45')
  await terminal.unlock()
  const whole = await get('letters/2026/large.bin')
  assert.equal(whole.status, 200)
  assert.equal(whole.headers.get('content-length'), String(large.length))
  assert.ok(whole.octets.equals(large))
  assert.equal((await get('note.txt')).octets.toString(), secret)
  assert.deepEqual([(await get('empty')).status, (await get('empty')).octets.length], [200, 0])
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    [`bytes=${mebi - 1}-${mebi}`, mebi - 1, mebi + 1],
    [`bytes=${mebi}-`, mebi, large.length],
    ['bytes=-5', large.length - 5, large.length],
    [`bytes=5-${large.length + 5}`, 5, large.length],
  ] as const) {
    const part = await get('letters/2026/large.bin', range)
    assert.equal(part.status, 206, range)
    assert.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/${large.length}`)
    assert.ok(part.octets.equals(large.subarray(from, to)), range)
  }
  assert.equal((await get('note.txt', 'bytes=45-')).status, 416)
  assert.equal((await get('note.txt', 'bytes=2-1')).status, 200)

  // One line of the key log for each file that was read.
  const uses = (await terminal.get('/log')).body.events.filter(
    ({ event }: { event: string }) => event === 'used',
  )
  assert.equal(uses.at(-1).reason, 'read file letters/2026/large.bin')
  assert.equal(uses.length, 8)

  // Goes on where it ended, and nowhere else.
  const more = (offset: number, text: string) =>
    call('PATCH', `/files/note.txt?offset=${offset}`, Buffer.from(text))
  assert.deepEqual((await (await more(45, ', under')).json()).size, 52)
  const late = await more(45, ' the stairs')
  assert.deepEqual([late.status, (await late.json()).size], [409, 52])
  assert.deepEqual((await (await more(52, ' the stairs')).json()).size, 63)
  assert.equal((await get('note.txt')).octets.toString(), `${secret}, under the stairs`)

  // Put again: the one before is there until the new one is whole.
  const before = await used(terminal)
  await assert.rejects(cutOff(w, terminal, 'note.txt', Buffer.alloc(3 * mebi)))
  assert.equal((await get('note.txt')).octets.toString(), `${secret}, under the stairs`)
  assert.equal((await put('note.txt', 'moved')).status, 200)
  assert.equal((await get('note.txt')).octets.toString(), 'moved')
  await w.services.files.sweep()
  // What was cut off counts until the server has seen that it was.
  for (const end = Date.now() + 20_000; (await used(terminal)) > before; await setImmediate())
    assert.ok(Date.now() < end, `expected ${before} octets at most, got ${await used(terminal)}`)

  await w.services.users.remove(ann.id)
  await w.services.files.sweep()
  assert.equal((await w.services.db.select({ octets: filePieces.octets }).from(filePieces)).length, 0)
})

/** Sends less than it says, and is gone. */
const cutOff = (w: World, terminal: Terminal, path: string, octets: Uint8Array) =>
  new Promise<void>((resolve, reject) => {
    const headers = { authorization: `Bearer ${terminal.token}`, 'content-length': octets.length * 2 }
    const sending = request(`${w.url}/api/files/${path}`, { method: 'PUT', headers }, () => resolve())
    sending.on('error', reject)
    sending.write(octets, () => sending.destroy())
  })

test('P24: names lead nowhere else, folders are made, moved and deleted, and all counts to the quota', async (t) => {
  const w = await world(t, { WAFER_QUOTA: '3MiB' })
  await w.addUser('ann@wafer.test')
  await w.addUser('bob@wafer.test', { key: false })
  const terminal = await w.terminal('ann@wafer.test')
  const { put, get } = octetsOf(terminal, w)
  for (const name of [
    '..%2Fx',
    'a/..%2F..%2Fx',
    'a//b',
    'a%00b',
    'a%0Ab',
    '%2Fetc/passwd',
    'a/',
    'x'.repeat(256),
    '%FF',
    `${'a/'.repeat(520)}a`,
  ])
    assert.equal((await put(name, 'x')).status, 422, name)
  assert.deepEqual(await names(terminal), [])
  assert.equal((await put(encodeURIComponent('Cafe\u0301 100%.txt'), 'x')).status, 201)
  assert.deepEqual(await names(terminal), ['Caf\u00e9 100%.txt'])
  assert.equal((await put(encodeURIComponent('Caf\u00e9 100%.txt'), 'y')).status, 200)

  assert.equal((await terminal.post('/files', { folder: 'a/b' })).status, 201)
  assert.equal(problem(await terminal.post('/files', { folder: 'a/b' })), 'exists')
  assert.equal((await put('a', 'x')).status, 409)
  await put('a/b/one', '1')
  await put('a/b/two', '2')
  assert.equal((await put('a/b/one/three', 'x')).status, 409)
  assert.equal(problem(await terminal.post('/files', { move: 'a', to: 'a/b/c' })), 'bad-name')
  assert.equal(problem(await terminal.post('/files', { move: 'a/b/one', to: 'a/b/two' })), 'exists')
  assert.equal((await terminal.post('/files', { move: 'a', to: 'z/a' })).status, 200)
  assert.deepEqual(await names(terminal), ['Caf\u00e9 100%.txt', 'z/a/b/one', 'z/a/b/two'])
  assert.deepEqual(await names(terminal, '?in=z/a/b'), ['one', 'two'])
  assert.equal(problem(await terminal.get('/files?in=a')), 'not-found')
  assert.equal(
    (await terminal.post('/files', { move: 'z/a/b/one', to: 'z/a/b/two', replace: true })).status,
    200,
  )
  await terminal.unlock()
  assert.equal((await get('z/a/b/two')).octets.toString(), '1')
  assert.equal(problem(await terminal.delete('/files/z')), 'not-empty')
  assert.equal((await terminal.delete('/files/z?all=1')).status, 204)
  assert.deepEqual(await names(terminal, '?in='), ['Caf\u00e9 100%.txt'])

  assert.equal((await put('much', randomBytes(2 * mebi))).status, 201)
  assert.equal((await put('more', randomBytes(2 * mebi))).status, 507)
  assert.deepEqual(await names(terminal), ['Caf\u00e9 100%.txt', 'much'])
  await terminal.delete('/files/much')
  assert.equal((await put('more', randomBytes(2 * mebi))).status, 201)

  const bob = await w.terminal('bob@wafer.test')
  const refused = await octetsOf(bob, w).put('x', 'x')
  assert.equal(refused.status, 422)
  assert.match((await refused.json()).title, /your own key/)
  assert.equal(problem(await bob.get('/files/more')), 'not-found')
})
