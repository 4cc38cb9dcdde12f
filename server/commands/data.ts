/** The commands for the data as a whole: copies of it, and whether it is sound. */
import { Refusal } from '../ground/refusal.ts'
import { type Call, config, WrongCall } from './command.ts'
import { print } from './console.ts'

export const backUp = async (call: Call) => {
  const { backup, backupSecret } = await import('../backup.ts')
  const [file = ''] = call.arguments
  const secretFile = call.option('secret') ?? null
  const settings = await config()
  if (settings.database !== null && secretFile) {
    backupSecret(settings, secretFile)
    print(`The server secret is in ${secretFile}: keep it apart from the database’s backups.`)
    print(
      `The database is PostgreSQL’s, and not in ${file}: pg_dump --exclude-table-data=allowances copies it, or continuous archiving.`,
    )
    return
  }
  await backup(settings, file, secretFile)
  print(`The database is in ${file}.`)
  if (secretFile) print(`The server secret is in ${secretFile}: keep it apart from ${file}.`)
  else print('The server secret, without which no key in it opens, is not: copy it once with --secret.')
}

export const restoreBackup = async (call: Call) => {
  const { restore } = await import('../backup.ts')
  const aside = await restore(await config(), call.arguments[0]!, call.option('secret') ?? null)
  print(`The database is that of ${call.arguments[0]}. All keys are locked.`)
  if (aside) print(`The database before it is in ${aside}.`)
}

export const checkData = async (call: Call) => {
  const { check } = await import('../backup.ts')
  const findings = await check(await config(), { mendClock: call.flag('mend-clock') })
  for (const { sentence } of findings) print(sentence)
  if (findings.some(({ sound }) => !sound)) throw new Refusal('unsound')
}

export const copyData = async (call: Call) => {
  const { copyAll, placeOf } = await import('../copy.ts')
  const to = placeOf(call.option('to') ?? '')
  // Not what was given: it may hold a password.
  if (!to) throw new WrongCall('--to is not like postgres://user@host/database or sqlite:FOLDER.')
  await copyAll(await config(), to, print)
}
