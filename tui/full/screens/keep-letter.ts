/**
 * A letter on its screen and its keeper: every few seconds of change it is kept as a draft, and so it is when one
 * leaves it. What the keeper reads of it and changes in it is the screen's state.
 */
import { isEmpty, Keeper } from '../../letter/keeper.ts'
import type { Letter } from '../../letter/letter.ts'
import { Problem } from '../../wire/client.ts'
import { Unreachable } from '../../wire/connection.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen } from '../state.ts'
import { textOf } from '../text-field.ts'

type Own = ComposeScreen & { id: number }

/** The letter as it stands on the screen. */
export const letterOf = ({ letter, fields, text }: Own): Letter => {
  // A comma that waits for the next one.
  const addresses = (name: 'to' | 'cc' | 'bcc') => fields[name].text.replace(/(?<![\s,;])[\s,;]+$/, '')
  return {
    ...letter,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: fields.subject.text,
    text: textOf(text),
  }
}

/** Changes the letter itself, which is then to be kept. */
export const alter = (app: Stage, screen: Own, change: Partial<ComposeScreen>) => {
  const now = app.current(screen)
  if (!now) return
  const { fields } = change
  const toOthers =
    fields && (['to', 'cc', 'bcc'] as const).some((name) => fields[name].text !== now.fields[name].text)
  app.change(now, {
    ...change,
    changedAt: keeperOf(app, now).changed(),
    // What was known of the recipients is not known of these.
    ...(toOthers ? { recipients: [], problem: null } : {}),
  })
}

/** What is kept of a letter beside its screen. */
type Beside = {
  keeper: Keeper
  /** That it cannot be kept was said. */
  isTold: boolean
  lookUp: NodeJS.Timeout | undefined
}
const letters = new WeakMap<Stage, Map<number, Beside>>()

export const besideOf = (app: Stage, screen: Own): Beside => {
  const all = letters.get(app) ?? new Map<number, Beside>()
  letters.set(app, all)
  for (const known of all.keys()) if (!app.state.screens.some((each) => each.id === known)) all.delete(known)
  const beside = all.get(screen.id) ?? { keeper: keeperFor(app, screen), isTold: false, lookUp: undefined }
  all.set(screen.id, beside)
  return beside
}

const keeperFor = (app: Stage, screen: Own): Keeper =>
  new Keeper(
    app.client,
    {
      letter() {
        const now = app.current(screen)
        return now && letterOf(now)
      },
      changedAt: () => app.current(screen)?.changedAt ?? null,
      write({ draft, inReplyTo, ...kept }) {
        const now = app.current(screen)
        if (!now) return
        const letter = {
          ...now.letter,
          ...(draft === undefined ? {} : { draft }),
          ...(inReplyTo === undefined ? {} : { inReplyTo }),
        }
        app.change(now, { ...kept, letter })
      },
    },
    () => app.surroundings.now(),
  )

export const keeperOf = (app: Stage, screen: Own): Keeper => besideOf(app, screen).keeper

/** Nothing more is done for letters of a user who is gone. */
export const dropLetters = (app: Stage) => {
  for (const { keeper, lookUp } of letters.get(app)?.values() ?? []) {
    keeper.leave()
    clearTimeout(lookUp)
  }
  letters.delete(app)
}

/** Expected failures as values; what leads to a window or to the log-in is thrown on. */
export const failureOf = (error: unknown): Problem | Unreachable => {
  const leadsOn: Problem['code'][] = ['no-session', 'allowance-required', 'key-in-use']
  if (error instanceof Unreachable || (error instanceof Problem && !leadsOn.includes(error.code)))
    return error
  throw error
}

/**
 * Keeps the letter as a draft, if it changed.
 *
 * @param busy what is said meanwhile; nothing, if it is to be silent
 * @returns whether it is kept as it is now; if not, that was said, at least once
 */
export const keep = async (app: Stage, screen: Own, busy = ''): Promise<boolean> => {
  const beside = besideOf(app, screen)
  let failure: Problem | Unreachable | null = null
  const isKept = await beside.keeper.keep(async (work) => {
    failure = await app.ask(() => work().then(() => null, failureOf), busy)
  })
  if (isKept) beside.isTold = false
  const why = failure as Problem | Unreachable | null
  if (why && (busy || !beside.isTold)) {
    beside.isTold = true
    app.warn(`The letter is here, but not kept as a draft: ${why.message}`)
  }
  return isKept
}

const beingWritten = ({ state }: Stage) =>
  state.screens.filter((screen) => screen.name === 'compose').filter(({ changedAt }) => changedAt !== null)

/** Keeps the letters that have waited long enough. */
export const keepDue = (app: Stage) => {
  for (const screen of beingWritten(app)) if (keeperOf(app, screen).isDue) void keep(app, screen)
}

/** Keeps all that is being written. @returns whether that could be done; if not, it was said */
export const keepLetters = async (app: Stage): Promise<boolean> => {
  let areKept = true
  for (const screen of beingWritten(app)) areKept = (await keep(app, screen, 'Keeping the letter')) && areKept
  return areKept
}

/** Leaves it for what is under it, once it is kept. */
export const leave = async (app: Stage, screen: Own) => {
  const { draft } = screen.letter
  const isWorthNothing = screen.changedAt === null || (isEmpty(letterOf(screen)) && draft === null)
  if (!isWorthNothing) {
    app.change(screen, { busy: true })
    const isKept = await keep(app, screen, 'Keeping the letter')
    const now = app.current(screen)
    if (!now) return
    app.change(now, { busy: false })
    if (!isKept) return
  }
  app.close(screen.id)
  if (!isWorthNothing || draft !== null) app.note('The letter lies in Drafts.')
  else if (!isEmpty(letterOf(screen))) app.note('Nothing was written, so nothing was kept.')
  void app.moved()
}

/** Throws it away, with its draft. */
export const discard = async (app: Stage, screen: Own) => {
  app.change(screen, { busy: true })
  const isGone = await app.does(() => keeperOf(app, screen).discard())
  const now = app.current(screen)
  if (!isGone) return now && app.change(now, { busy: false })
  app.close(screen.id)
  if (!isEmpty(letterOf(screen))) {
    const changedAt = app.surroundings.now()
    app.done('The letter was thrown away.', async () => {
      openAgain(app, app.top?.id ?? null, screen, null, { changedAt })
    })
  }
  void app.moved()
}

/** The letter as it was, with another draft or none. */
export const openAgain = (
  app: Stage,
  from: number | null,
  before: Own,
  draft: number | null,
  change: Partial<ComposeScreen>,
): number | null => {
  const { id: _, ...was } = before
  return app.pushOver(from, {
    ...was,
    letter: { ...was.letter, draft },
    busy: false,
    offered: null,
    ...change,
  })
}
