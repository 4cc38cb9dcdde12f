/** The commands for scripts that send letters, and work on those that have not left yet. */
import type { QueuePage, WaitingMail } from '../server/contract/answers.ts'
import { type Call, textOfInput, WrongCall } from '../server/contract/calls.ts'
import { Failed } from './failed.ts'
import { pathInBox } from './file-scripts.ts'
import { blank, fromMailto, type Letter, toApi } from './letter/letter.ts'
import { letterIn } from './letter/whole-message.ts'
import { idIn, json, place, print, type ScriptCall, withClient, withKey } from './script-work.ts'
import { type ApiLetter, type Client, Problem } from './wire/client.ts'

export const letterScripts = {
  send: (call: ScriptCall) =>
    withClient(async (client, _session, kept) => {
      const letter: ApiLetter = {
        ...toApi({ ...(await letterOf(call)), sign: call.flag('sign'), encrypt: call.flag('encrypt') }),
        ...kindOf(call),
        draft: call.flag('draft'),
        hold_s: holdOf(call),
      }
      const sent = await withKey(kept, () => client.send(letter)).catch((error) => {
        if (error instanceof Problem && error.draft !== undefined)
          throw new Failed(`${error.message} The letter is in Drafts: ${error.draft}.`)
        if (error instanceof Problem && error.reason === 'kinds-differ')
          throw new Failed(`${error.message} The first is --kind each.`)
        throw error
      })
      if (call.flag('json')) return json(sent)
      print('id', sent.id)
      print('folder', sent.folder)
      for (const address of sent.delivered) print('delivered', address)
      for (const address of sent.queued) print('queued', address)
      if (sent.held_until !== null) print('held until', sent.held_until)
    }),

  queue: (call: ScriptCall) =>
    withClient(async (client) => {
      const [act, number, ...rest] = call.arguments
      if (act === undefined) return printQueue(call, await wholeQueue(client))
      if ((act !== 'retry' && act !== 'drop') || number === undefined || rest.length > 0)
        throw new WrongCall('wafer queue stands alone, or with retry or drop and a number that it shows.')
      const id = idIn(number, 'wafer queue')
      if (act === 'retry') {
        await client.retry(id)
        if (call.flag('json')) return json({ id })
        return print('retry', id)
      }
      const { id: draft, folder } = await client.giveUp(id)
      if (call.flag('json')) return json({ id: draft, folder })
      print('folder', folder)
      if (draft !== null) print('id', draft)
    }),
}

// ---- what is sent

const kindOf = (call: Call): Pick<ApiLetter, 'kind'> => {
  const kind = call.option('kind')
  if (kind === undefined) return {}
  if (kind !== 'openpgp' && kind !== 'smime' && kind !== 'each')
    throw new WrongCall('--kind is openpgp, smime or each.')
  return { kind }
}

const holdOf = (call: ScriptCall): number => {
  const hold = call.option('hold') ?? '0'
  if (!/^\d{1,4}$/.test(hold) || Number(hold) > 3600)
    throw new WrongCall('--hold takes seconds, at most 3600.')
  return Number(hold)
}

const letterOf = async (call: ScriptCall): Promise<Letter> => {
  const [link] = call.arguments
  const fields = ['to', 'cc', 'bcc'].map((name) => call.options(name).join(', '))
  const [to = '', cc = '', bcc = ''] = fields
  const [subject, inReplyTo] = [call.option('subject'), call.option('in-reply-to')]
  const isGiven = [to, cc, bcc, subject, inReplyTo].some(Boolean)
  if (link !== undefined && isGiven)
    throw new WrongCall(
      'A mailto: link says whom to write to; it does not go with --to, --cc, --bcc and --subject.',
    )
  const linked = link === undefined ? null : fromMailto(link)
  // Not the argument itself: it may be anything.
  if (link !== undefined && !linked) throw new WrongCall('wafer send takes a mailto: link, or options.')
  const attachments = call.options('attach').map(attachmentAt)
  if (linked) {
    const text = place.input.isTTY ? '' : await standardInput()
    if (text === '' && linked.text === '') throw new WrongCall(noText)
    return { ...linked, text: text || linked.text, attachments }
  }
  if (place.input.isTTY) throw new WrongCall(noText)
  const text = await standardInput()
  if (isGiven)
    return {
      ...blank,
      to,
      cc,
      bcc,
      subject: subject ?? '',
      text,
      attachments,
      inReplyTo: inReplyTo ?? null,
    }
  return { ...letterIn(text), attachments }
}

const noText =
  'The text comes on standard input, as in: echo Hello | wafer send --to ben@example.org --subject Greetings'

const standardInput = async (): Promise<string> => {
  const chunks: Buffer[] = []
  let octets = 0
  for await (const chunk of place.input) {
    octets += (chunk as Buffer).length
    // Whose memory it is may be a server's, which others use too.
    if (octets > mostTextOctets)
      throw new Failed('Standard input has more text than a letter may have. Nothing was sent.')
    chunks.push(chunk as Buffer)
  }
  return textOfInput(Buffer.concat(chunks)).replace(/\r\n?/g, '\n')
}

const mostAttachedOctets = 25 * 1024 * 1024
/** As much: a mail is no larger. */
const mostTextOctets = mostAttachedOctets

const attachmentAt = (path: string): Letter['attachments'][number] => {
  const { machine } = place
  // Behind SSH a file is one of the box: name, type and size are known there.
  if (!machine) return { name: '', type: '', size: 0, file: pathInBox(path) }
  const found = machine.attachment(path, mostAttachedOctets)
  if ('failed' in found) throw new Failed(`${found.failed} Nothing was sent.`)
  return found
}

// ---- what has not left

const wholeQueue = async (client: Client): Promise<WaitingMail[]> => {
  const all: WaitingMail[] = []
  let before: string | null = null
  do {
    const page: QueuePage = await client.queue(before, 100)
    all.push(...page.queue)
    before = page.next
  } while (before !== null)
  return all
}

const printQueue = (call: ScriptCall, queue: WaitingMail[]) => {
  if (call.flag('json')) return json(queue)
  for (const { id, to, since, next_at, why, held, sending } of queue)
    print(id, since ?? '', held ? 'held' : sending ? 'sending' : 'waiting', next_at, to.join(', '), why ?? '')
}
