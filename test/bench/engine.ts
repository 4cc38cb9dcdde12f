/**
 * The figures of one engine, the one that `WAFER_DATABASE` names, as a line of JSON: milliseconds by what was done. main.ts
 * runs it for both, and holds them against each other.
 */
import { get } from 'node:http'
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../server/ground/store/database.ts'
import { isPostgres } from '../../server/ground/store/kit.ts'
import { password, World } from '../support/world.ts'

const [mails, people] = [1_000_000, 200_000]
const rounds = 101
const ann = 'ann@wafer.test'

/** Other programs make times longer, never shorter: the quickest tenth says what it takes. */
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const times: number[] = []
  for (let round = -5; round < rounds; round += 1) {
    const from = performance.now()
    await work()
    if (round >= 0) times.push(performance.now() - from)
  }
  return times.toSorted((a, b) => a - b)[Math.floor(rounds / 10)]!
}

/** Rows of these numbers, in parts: one statement that takes too long is given up. */
const fill = async (db: Database, count: number, insert: (numbers: string) => string) => {
  for (let from = 1; from <= count; from += 2000) {
    const to = Math.min(count, from + 1999)
    const numbers = isPostgres
      ? `generate_series(${from}, ${to}) AS numbers (n)`
      : `(WITH RECURSIVE up (n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM up WHERE n < ${to}) SELECT n FROM up)`
    await db.rows(sql.raw(insert(numbers)))
  }
}

const figures: Record<string, number> = {}
const server = new World(isPostgres ? { WAFER_DATABASE: process.env.WAFER_DATABASE! } : {})
try {
  await server.start()
  const user = await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  const { db, mailboxes, users } = server.services
  const letter = { to: ann, subject: 'x', text: 'Hello', encrypt: true, sign: true }
  await terminal.post('/messages', letter)
  const [{ id }] = (await terminal.get('/folders/Inbox/messages?limit=1')).body.messages
  const inbox = await mailboxes.fixedFolder(user.id, 'inbox')
  const page = () =>
    new Promise<void>((resolve, reject) => {
      const headers = { cookie: `wafer=${terminal.token}` }
      get(`${server.url}/f/inbox`, { headers }, (response) => response.resume().on('end', resolve)).on(
        'error',
        reject,
      )
    })
  const ask = async (which: SQL) => db.rows(which)
  const list = () => mailboxes.page(user.id, inbox.id, { limit: 20 })
  /** The same two statements, as they would be written by hand. */
  const bareList = async () => {
    await ask(sql`SELECT id, name, kind FROM folders WHERE user_id = ${user.id} AND id = ${inbox.id}`)
    await ask(
      sql`SELECT * FROM messages WHERE folder_id = ${inbox.id} ORDER BY arrived_at DESC, id DESC LIMIT 21`,
    )
  }
  const bareFolders = async () => {
    await ask(sql`SELECT id, name, kind FROM folders WHERE user_id = ${user.id} AND kind = 'inbox'`)
    await ask(sql`SELECT * FROM folders WHERE user_id = ${user.id}`)
  }
  const fillMails = (count: number) =>
    fill(
      db,
      count,
      (
        n,
      ) => `INSERT INTO messages (user_id, folder_id, arrived_at, sender, recipients, subject, size, attachments, security)
      SELECT ${user.id}, ${inbox.id}, n, 'Bob <bob@elsewhere.test>', '${ann}', 'About your boat', 2000, 0, 'plain' FROM ${n}`,
    )

  await fillMails(20)
  figures['Inbox page'] = await timed(page)
  figures['decrypt 2 KB, API'] = await timed(() => terminal.post(`/messages/${id}/decrypt`))
  figures['log-in, API (Argon2 made cheap)'] = await timed(() =>
    terminal.post('/session', { user: ann, password, terminal: 'bench' }),
  )
  await fillMails(mails)
  await fill(
    db,
    people,
    (n) => `INSERT INTO users (address, name, password_hash, created_at)
    SELECT 'user' || n || '@d' || (n % 1000) || '.test', '', '', 0 FROM ${n}`,
  )
  if (isPostgres) await ask(sql`ANALYZE`)
  figures['Inbox page of very many'] = await timed(page)
  figures['list of very many'] = await timed(list)
  figures['list of very many, bare SQL'] = await timed(bareList)
  figures['folders with counts'] = await timed(() => mailboxes.folders(user.id))
  figures['folders with counts, bare SQL'] = await timed(bareFolders)
  figures["a recipient's domain"] = await timed(() => users.areIn(['d7.test', 'D7.test']))
  figures["a recipient's domain, bare SQL"] = await timed(() =>
    ask(sql`SELECT 1 FROM users WHERE address = ${'user7@d7.test'}`),
  )
  console.log(JSON.stringify(figures))
} finally {
  await server.end()
}
