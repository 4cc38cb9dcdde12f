/** What a command says to the person, and the secrets that it asks them for. */
import { readFileSync } from 'node:fs'
import { textOfInput } from '../contract/calls.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Call, WrongCall } from './command.ts'

export const print = (line: string) => {
  process.stdout.write(`${line}\n`)
}

/** Waits while the reader is slow, so that an export does not pile up in memory. */
export const write = (content: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(content, (error) => (error ? reject(error) : resolve()))
  })

export const complain = (sentence: string) => {
  process.stderr.write(`wafer: ${oneLine(sentence)}\n`)
}

/** Foreign text, which must not steer the terminal. */
export const oneLine = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')

/** Of a keyring that was made just now. */
export const printRecoveryCode = (code: string | null) => {
  if (code === null) return
  print(`Recovery code: ${code}`)
  print(
    'Keep the recovery code in a safe place: it opens the keyring without the passphrase, and is shown only now.',
  )
}

/** Of a key or certificate that is not in its user's name. @param others what others will not do with it for them */
export const printForeign = (what: string, addresses: string[], user: string, others: string) => {
  const whose =
    addresses.length > 0 ? `it is that of ${oneLine(addresses.join(', '))}` : 'it names no address'
  print(`This ${what} does not name ${user}: ${whose}. Others will not ${others}.`)
}

/** A file with a key in it. @throws Refusal `bad-request` */
export const readKeyFile = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Refusal(isAbsent ? 'path-absent' : 'path-unreadable', { values: { path: file }, cause })
  }
}

// ---- secrets

type Prompt = { name: string; isNew: boolean }

/**
 * The secrets of a command: lines of standard input, or the answers to prompts where that is a terminal.
 *
 * @param most how many lines may come where more are taken than are asked for; fewer lines than prompts are given
 *   back as they are
 */
export const secrets = async (
  call: Call,
  flag: string,
  prompts: Prompt[],
  most = prompts.length,
): Promise<string[]> => {
  if (process.stdin.isTTY) {
    const answers: string[] = []
    for (const { name, isNew } of prompts) {
      const answer = await ask(`${name}: `)
      if (isNew && (await ask(`${name} again: `)) !== answer) throw new Refusal('entries-differ')
      answers.push(answer)
    }
    return answers
  }
  demandSecretOnInput(call, flag)
  const octets: Buffer[] = []
  for await (const chunk of process.stdin) octets.push(chunk)
  // The newline at the end is none of the last secret, nor are empty lines after it.
  const lines = textOfInput(Buffer.concat(octets))
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  while (lines.length > prompts.length && lines.at(-1) === '') lines.pop()
  if (lines.length === 1 && lines[0] === '')
    throw new WrongCall('Standard input is empty, but should hold a secret.')
  if (lines.length > most)
    throw new WrongCall(
      `Standard input has ${lines.length} lines, but should have ${most === 1 ? 'one' : 'at most two'}.`,
    )
  return lines
}

/** Two: what opens the keyring, and what is to open the copy. @throws WrongCall where one line came for both */
export const secretsForCopy = async (call: Call): Promise<{ passphrase: string; ofCopy: string }> => {
  const prompts = [
    { name: 'Passphrase of the keyring', isNew: false },
    { name: 'Passphrase for the copy', isNew: true },
  ]
  const [passphrase, ofCopy] = await secrets(call, 'passphrase-stdin', prompts)
  // A copy that the keyring's passphrase opened would give it away with the file.
  if (passphrase === undefined || ofCopy === undefined)
    throw new WrongCall(
      'Standard input has one line, but should have two: the passphrase of the keyring, then one for the copy.',
    )
  return { passphrase, ofCopy }
}

export const demandSecretOnInput = (call: Call, flag: string) => {
  if (!process.stdin.isTTY && !call.flag(flag))
    throw new WrongCall(`A secret is needed: give it on standard input, with --${flag}.`)
}

/** What was typed or pasted beyond the line that was asked for. */
let typedAhead = ''

/** One line from the terminal, without echo. The question goes to standard error: standard output may be a file. */
const ask = (question: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { stdin, stderr } = process
    let answer = ''
    const done = (finish: () => void) => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      finish()
    }
    const take = (text: string) => {
      const characters = [...text]
      for (const [place, character] of characters.entries()) {
        if (/[\r\n\x04]/.test(character)) {
          typedAhead = characters.slice(place + 1).join('')
          return done(() => resolve(answer))
        }
        if (character === '\x03') return done(() => reject(new Refusal('interrupted')))
        if (/[\b\x7f]/.test(character)) answer = [...answer].slice(0, -1).join('')
        else if (character === '\x15') answer = ''
        else answer += character
      }
    }
    stderr.write(question)
    stdin.setRawMode(true)
    stdin.setEncoding('utf8')
    stdin.on('data', take)
    stdin.resume()
    const before = typedAhead
    typedAhead = ''
    take(before)
  })
