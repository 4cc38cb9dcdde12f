/** Mail is found in all folders by words and operators, and what was not understood is said. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Browser } from '../support/browser.ts'
import { type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

const mail = (fields: Record<string, string>, text = 'Hello') => {
  const given: Record<string, string> = {
    From: 'Bob Builder <bob@far.example>',
    To: ann,
    Subject: 'x',
    'MIME-Version': '1.0',
    'Content-Type': 'text/plain; charset=utf-8',
    ...fields,
  }
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${text}\r\n`)
}
const withAttachment = (fields: Record<string, string>) =>
  mail(
    { ...fields, 'Content-Type': 'multipart/mixed; boundary=b' },
    '--b\r\n\r\nSee below.\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nrest\r\n--b--',
  )

/** Subjects of what is found, in its order; with the words that were not understood. */
const finder = (terminal: Terminal) => async (q: string) => {
  const { status, body } = await terminal.get(`/search?q=${encodeURIComponent(q)}`)
  assert.equal(status, 200, q)
  return {
    subjects: body.messages.map(({ subject }: { subject: string }) => subject),
    ignored: body.ignored,
    isPartial: body.encrypted_not_searched ?? false,
    messages: body.messages,
  }
}
const finds = async (terminal: Terminal, cases: [query: string, subjects: string, ignored?: string[]][]) => {
  const find = finder(terminal)
  for (const [query, subjects, ignored = []] of cases) {
    const found = await find(query)
    assert.deepEqual([found.subjects.sort().join(', '), found.ignored], [subjects, ignored], query)
  }
}

const storeIn = async (server: World, userId: number, kind: 'inbox' | 'trash' | string, octets: Buffer) => {
  const { mailboxes } = server.services
  const folder = await mailboxes.folderNamed(userId, kind)
  return mailboxes.store(userId, folder.id, octets)
}

test('P24: operators, phrases and words that must not be there find mail in all folders, and only one’s own', async (t) => {
  const server = await world(t)
  const { id } = await server.addUser(ann)
  await server.addUser(bob)
  const terminal = await server.terminal(ann)
  const { mailboxes } = server.services
  const garden = await mailboxes.createFolder(id, 'My Garden')
  const at = (day: string) => ({ Date: new Date(`${day}T12:00:00Z`).toUTCString() })
  const one = await storeIn(
    server,
    id,
    'inbox',
    mail({ Subject: 'one', ...at('2024-05-01') }, 'The red boat is ours.'),
  )
  await storeIn(
    server,
    id,
    'inbox',
    mail(
      { Subject: 'two', From: 'José Núñez <jose@near.example>', ...at('2025-06-30') },
      'A boat, a red one.',
    ),
  )
  await mailboxes.store(
    id,
    garden.id,
    withAttachment({ Subject: 'three boats', Cc: 'Eve <eve@far.example>', ...at('2025-07-01') }),
  )
  await storeIn(
    server,
    id,
    'trash',
    mail({ Subject: 'four', From: 'boat@rent.example', ...at('2025-12-31') }),
  )
  await mailboxes.mark(id, [one], { flagged: true, seen: true, answered: true })
  await server.deliver(bob, mail({ Subject: 'five', To: bob }, 'The red boat of Bob.'))

  await finds(terminal, [
    ['boat', 'four, one, three boats, two'],
    ['BOATS', 'three boats'],
    ['red boat', 'one, two'],
    ['"red boat"', 'one'],
    ['“red boat”', 'one'],
    ['"boat"', 'four, one, two'],
    ['red -"red boat"', 'two'],
    ['-boat', ''],
    ['boat -red', 'four, three boats'],
    ['from:boat', 'four'],
    ['-from:boat boat', 'one, three boats, two'],
    ['from:"Bob Builder"', 'one, three boats'],
    ['from:buil', 'one, three boats'],
    ['from:"buil"', ''],
    ['from:jose', 'two'],
    ['from:NÚÑEZ', 'two'],
    ['from:jose@near.example', 'two'],
    ['from:near', 'two'],
    ['to:eve', 'three boats'],
    ['cc:eve', 'three boats'],
    ['to:bob', ''],
    ['subject:boat', 'three boats'],
    ['subject:"three boats"', 'three boats'],
    ['subject: boat', 'three boats'],
    ['FROM:Bob SUBJECT:One', 'one'],
    ['ｆｒｏｍ：ｂｏａｔ', 'four'],
    ['before:2025', 'one'],
    ['after:2025', 'four, three boats, two'],
    ['before:2025-07', 'one, two'],
    ['after:2025-07', 'four, three boats'],
    ['after:2025-07-01 before:2025-07-02', 'three boats'],
    ['after:2025/7/2 before:2025-12-31', ''],
    ['-before:2025-12-31', 'four'],
    ['after:9999y', 'four, one, three boats, two'],
    ['in:inbox', 'one, two'],
    ['in:INBOX in:trash boat', 'four, one, two'],
    ['in:"my garden"', 'three boats'],
    ['-in:trash boat', 'one, three boats, two'],
    ['has:attachment', 'three boats'],
    ['has:attachment boat', 'three boats'],
    ['-has:attachment', 'four, one, two'],
    ['is:unread', 'four, three boats, two'],
    ['is:read', 'one'],
    ['is:flagged boat', 'one'],
    ['-is:flagged', 'four, three boats, two'],
    ['is:answered', 'one'],
    ['is:encrypted', ''],
    ['larger:1M', ''],
    ['smaller:1M in:trash', 'four'],
    // As people type it elsewhere.
    ['label:inbox is:starred is:replied', 'one'],
    ['older_than:1d newer:2025/12/1 folder:Trash', 'four'],
    ['red AND NOT "red boat"', 'two'],
    ['NOT in:trash boat NOT', ''],
    ['subject:(boats three)', 'three boats'],
    ['-from:(builder bob) boat', 'four, two'],
    ['boat OR red', 'one, two', ['OR']],
    ['from:(jose OR bob)', '', ['from:(jose OR bob)']],
    ['"OR"', ''],
    ['is_it:so', '', ['is_it:so']],
  ])
  const { messages, isPartial } = await finder(terminal)('boat')
  assert.deepEqual(messages.map(({ folder }: { folder: string }) => folder).sort(), [
    'Inbox',
    'Inbox',
    'My Garden',
    'Trash',
  ])
  assert.equal(isPartial, true, 'words may stand in encrypted text')
  assert.equal((await finder(terminal)('has:attachment')).isPartial, true, 'and attachments too')
  assert.equal((await finder(terminal)('from:boat')).isPartial, false)
  const folder = await terminal.get(`/folders/Inbox/messages?q=${encodeURIComponent('boat -red befor:2024')}`)
  assert.deepEqual([folder.body.messages, folder.body.ignored], [[], ['befor:2024']])
  assert.equal((await terminal.get('/folders/Inbox/messages')).body.ignored, undefined)
})

test('P24: what was not understood is said, and is no error, whatever it is', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await server.deliver(
    ann,
    mail(
      { Subject: 'Re: a link' },
      'See http://far.example/x at 12:30, std::vector, O’Brien and ABC’13 in 38.101',
    ),
  )
  await finds(terminal, [
    ['befor:2024', '', ['befor:2024']],
    ['befor:2024 link', 'Re: a link', ['befor:2024']],
    [
      'link before:yesterdayish is:blue in:nowhere has:wings',
      'Re: a link',
      ['before:yesterdayish', 'is:blue', 'in:nowhere', 'has:wings'],
    ],
    [
      'link before:2026-02-30 after:2026-13 before:20 larger:big',
      'Re: a link',
      ['before:2026-02-30', 'after:2026-13', 'before:20', 'larger:big'],
    ],
    ['Re: a link', 'Re: a link'],
    ['http://far.example/x', 'Re: a link'],
    ['12:30', 'Re: a link'],
    ['std::vector', 'Re: a link'],
    ["O'Brien ABC'13 38.101", 'Re: a link'],
    ['link from:', 'Re: a link', ['from:']],
    ['from: is:unread', 'Re: a link', ['from:']],
    ['', ''],
    ['   ', ''],
    ['*** -- "" - :', '', ['***', '--', '""', '-', ':']],
    ['constructor:x valueOf:y toString:', '', ['constructor:x', 'valueOf:y']],
    ['link "unbalanced', ''],
    ['"link', 'Re: a link'],
  ])
})

test('P24: hostile queries are bounded: they find nothing or something, and no sentence of the database comes out', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await server.deliver(ann, mail({ Subject: 'zebra' }))
  const find = finder(terminal)
  const hostile = [
    'x'.repeat(10_000),
    `${'from:a '.repeat(1_000)}`,
    `${'"'.repeat(4_001)}`,
    `"${'a '.repeat(3_000)}`,
    `"${'山'.repeat(1_200)}`,
    'a/'.repeat(3_000),
    '-x '.repeat(1_000),
    'zebra" OR "1"="1',
    'NEAR(zebra x, 5) AND NOT zebra* ^zebra {subject}: sender:x',
    "zebra':* & !x | (y) <-> z \\ \\'",
    '\0zebra\0 \x1b[31m \u202e',
    '%_%',
    `${'é'.normalize('NFD').repeat(500)}${'\u0301'.repeat(1_500)}`,
    'ﷺ'.repeat(1_200),
    'before:9999999999999 larger:999999999999 after:-1 before:0000',
  ]
  for (const query of hostile) {
    const { ignored, messages } = await find(query)
    assert.ok(messages.length <= 1 && ignored.length <= 32, query.slice(0, 40))
    assert.ok(ignored.every((word: string) => word.length <= 60))
  }
  assert.deepEqual((await find(`zebra ${'is:blue '.repeat(1_000)}`)).subjects, ['zebra'])
  assert.deepEqual((await find('zebra\0')).subjects, ['zebra'])
})

test('P24: Japanese is found by its parts, alone and in fields', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await server.deliver(
    ann,
    mail(
      { Subject: '会議のお知らせ', From: '山田太郎 <yamada@far.example>' },
      '東京都庁でWafer会議を開きます。',
    ),
  )
  await server.deliver(ann, mail({ Subject: 'がんばれ', From: 'ヤマダ <y@far.example>' }, '京都'))
  await finds(terminal, [
    ['会議', '会議のお知らせ'],
    ['都庁', '会議のお知らせ'],
    ['京都', 'がんばれ, 会議のお知らせ'],
    ['"東京都庁"', '会議のお知らせ'],
    ['"Wafer会議"', '会議のお知らせ'],
    ['山', '会議のお知らせ'],
    ['"山"', '会議のお知らせ'],
    ['from:山田', '会議のお知らせ'],
    ['from:太郎', '会議のお知らせ'],
    ['from:ヤマダ', 'がんばれ'],
    ['from:ﾔﾏﾀﾞ', 'がんばれ'],
    ['subject:がんば', 'がんばれ'],
    ['subject:京都', ''],
    ['会議　-from:山田', ''],
    ['京都 -会議', 'がんばれ'],
    ['ｉｎ：ｉｎｂｏｘ　京都　-“都庁”', 'がんばれ'],
  ])
})

test('P24: pages of a search are stable while mail comes in, and encrypted text is never found', async (t) => {
  const server = await world(t)
  const { id } = await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  const { mailboxes } = server.services
  const garden = await mailboxes.createFolder(id, 'Garden')
  for (let n = 0; n < 12; n += 1) {
    if (n % 2) await server.deliver(ann, mail({ Subject: `n${n}` }, 'apple'))
    else await mailboxes.store(id, garden.id, mail({ Subject: `n${n}` }, 'apple'))
    server.pass(1000)
  }
  const seen: string[] = []
  for (let before: string | null = ''; before !== null; ) {
    const { body }: { body: { messages: { subject: string }[]; next: string | null } } = await terminal.get(
      `/search?q=apple&limit=5${before && `&before=${before}`}`,
    )
    seen.push(...body.messages.map(({ subject }) => subject))
    before = body.next
    server.pass(1000)
    await server.deliver(ann, mail({ Subject: 'newer' }, 'apple'))
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 12 }, (_, n) => `n${11 - n}`),
  )
  const offset = await terminal.get('/search?q=apple+-newer&limit=2&offset=10')
  assert.deepEqual(
    offset.body.messages.map(({ subject }: { subject: string }) => subject),
    ['n1', 'n0'],
  )
  assert.equal((await terminal.get('/search?q=apple&before=nonsense')).status, 400)

  await terminal.post('/messages', {
    to: ann,
    subject: 'sealed',
    text: 'hidden pear',
    encrypt: true,
    sign: true,
  })
  await terminal.post('/messages', { to: ann, subject: 'draft', text: 'hidden pear', draft: true })
  const sealed = await finder(terminal)('is:encrypted')
  assert.deepEqual(sealed.messages.map(({ folder }: { folder: string }) => folder).sort(), [
    'Drafts',
    'Inbox',
    'Sent',
  ])
  const [inbox] = (await terminal.get('/folders/Inbox/messages?limit=1')).body.messages
  assert.equal((await terminal.post(`/messages/${inbox.id}/decrypt`)).status, 200)
  assert.deepEqual((await finder(terminal)('pear')).subjects, [])
  assert.deepEqual((await finder(terminal)('subject:sealed')).subjects, ['sealed', 'sealed'])
})

test('P24: the field on a list searches all folders, and what is found can be read, marked, thrown away and taken back there', async (t) => {
  const server = await world(t)
  const { id } = await server.addUser(ann)
  const { mailboxes } = server.services
  const garden = await mailboxes.createFolder(id, 'Garden')
  await mailboxes.store(id, garden.id, mail({ Subject: 'Plums' }, 'apple'))
  const [inbox, trash] = [await mailboxes.fixedFolder(id, 'inbox'), await mailboxes.fixedFolder(id, 'trash')]
  await mailboxes.store(id, trash.id, mail({ Subject: 'Pears' }, 'apple'))
  for (let n = 0; n < 22; n += 1) await server.deliver(ann, mail({ Subject: `Apple ${n}` }, 'other'))
  const page = new Browser(server)
  await page.logIn(ann)
  const ids = () => [...page.page.html.matchAll(/name=m value=(\d+)/g)].map(([, each]) => each!)
  await page.press('Find', { q: 'apple -"Apple 3"' })
  assert.equal(page.page.heading, 'All folders: more than 20 found')
  await page.follow('Older')
  assert.match(page.page.text, /Bob Builder, [^,]*, Garden Plums/)
  assert.match(page.page.text, /Bob Builder, [^,]*, Trash Pears/)
  assert.match(page.page.text, /The text of encrypted mail is not searched/)
  await page.follow('Newer')
  await page.press('Find', { q: 'apple in:garden in:trash befor:2024 <b>x:y' })
  assert.equal(page.page.heading, 'All folders: nothing found')
  await page.press('Find', { q: 'apple in:garden in:inbox befor:2024 is:\u202eblue' })
  assert.match(page.page.text, /Not understood: befor:2024, is: ?blue/)
  await page.press('Find', { q: 'apple (in:garden "Apple 4"' })
  assert.match(page.page.html, / value="apple \(in:garden &quot;Apple 4&quot;"/)
  await page.press('Find', { q: 'apple -in:trash -"Apple 3"' })
  await page.follow('Older')
  const last = ids()
  const homes = await mailboxes.homes(id, last.map(Number))
  assert.deepEqual(new Set(homes.values()), new Set([garden.id, inbox.id]))
  await page.press('Delete', { m: last })
  assert.equal(page.page.happened.split('.')[0], `${last.length} to the Trash`)
  assert.deepEqual(new Set((await mailboxes.homes(id, last.map(Number))).values()), new Set([trash.id]))
  await page.press('Undo')
  assert.deepEqual(await mailboxes.homes(id, last.map(Number)), homes, 'each is where it was')
  await page.press('Find', { q: 'plums' })
  await page.press('Flag', { m: ids() })
  assert.equal(page.page.heading, 'All folders: 1 found')
  assert.match(page.page.text, /N F Bob Builder/)
  await page.follow('Plums')
  assert.match(page.page.text, /apple/)
  assert.equal((await page.go('/find')).heading, 'Search')
  assert.doesNotMatch(page.page.text, /No mail here/, 'nothing was looked for yet')
  assert.equal((await page.go('/f/inbox?q=plums')).heading, 'Inbox: nothing found')
  await page.follow('All folders')
  assert.equal(page.page.heading, 'All folders: 1 found')
})
