/** What is being written in the terminal client: fields, the editor it is handed to, paths and addresses completed. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { asWritten, completedWith, typingAt } from '../../tui/full/addresses.ts'
import { edited, emptyField, type Field, field, fieldView, Secret, typed } from '../../tui/full/field.ts'
import {
  editedText,
  pastedText,
  rewritten,
  type TextField,
  textField,
  textOf,
  textView,
} from '../../tui/full/text-field.ts'
import { edited as editorEdited, editorOf, placeForText } from '../../tui/letter/editor.ts'
import { typeOf } from '../../tui/letter/file-names.ts'
import { attachmentFrom, completions } from '../../tui/letter/paths.ts'
import { cells, harmless } from '../../tui/text/text.ts'
import { root } from '../support/places.ts'
import { needs } from '../support/programs.ts'

const key = (name: string) => ({ name, text: null })
const letter = (text: string) => ({ name: text, text })
const after = (from: Field, ...names: string[]): Field =>
  names.reduce((before, name) => edited(before, key(name)) ?? assert.fail(`${name} is a key of fields`), from)
const size = { columns: 20, rows: 6 }
const textAfter = (from: TextField, names: string[], window_ = size): TextField =>
  names.reduce((before, name) => editedText(before, key(name), window_) ?? assert.fail(name), from)

const family = '👩‍👩‍👧'
const accented = 'e\u0301'
const flag = '🇯🇵'
const hebrew = 'שָׁלוֹם'

// The same sequence each time, so that what fails once fails again (Park and Miller).
const dice = (seed: number) => {
  let state = seed
  return (sides: number) => {
    state = (state * 48271) % 2147483647
    return state % sides
  }
}

test('The cursor of a line moves by what people call characters, whatever they are made of', () => {
  for (const character of [accented, family, flag, '日', 'q', '각', 'क्षि', '1️⃣', 'ﾊﾞ', '\u{20bb7}']) {
    const line = field(`a${character}b`)
    const behind = after(line, 'left')
    assert.equal(behind.cursor, 1 + character.length)
    assert.equal(after(behind, 'left').cursor, 1)
    assert.equal(after(behind, 'left', 'right').cursor, 1 + character.length)
    assert.deepEqual(after(behind, 'backspace'), { text: 'ab', cursor: 1 })
    assert.deepEqual(after(behind, 'left', 'delete'), { text: 'ab', cursor: 1 })
  }
  assert.equal(after(field(hebrew), 'backspace').text, hebrew.slice(0, -1))
})

test('What joins what is beside it leaves the cursor between characters', () => {
  const beforeAccent = typed({ text: '\u0301x', cursor: 0 }, 'e')
  assert.deepEqual(beforeAccent, { text: `${accented}x`, cursor: 2 })
  // Taking the J out of J P F R leaves P F R: a flag of two and one letter alone.
  const flags = edited({ text: '🇯🇵🇫🇷', cursor: 4 }, key('backspace'))!
  assert.deepEqual(flags, { text: '🇫🇷', cursor: 0 })
})

test('A line takes the keys that hands know, and leaves the others to the screen', () => {
  const line = field('ann@example.org, ben and  ')
  assert.equal(after(line, 'home').cursor, 0)
  assert.equal(after(line, 'ctrl-a', 'ctrl-e').cursor, line.text.length)
  assert.equal(after(line, 'ctrl-w').text, 'ann@example.org, ben ')
  assert.equal(after(line, 'ctrl-w', 'ctrl-w', 'ctrl-w', 'ctrl-w').text, '')
  assert.equal(after(line, 'alt-b', 'alt-b').cursor, line.text.indexOf('ben'))
  assert.equal(after(line, 'home', 'alt-f', 'ctrl-right').cursor, 'ann@example'.length)
  assert.equal(after(line, 'alt-b', 'ctrl-u').text, 'and  ')
  assert.equal(after(line, 'alt-b', 'ctrl-k').text, 'ann@example.org, ben ')
  for (const name of ['enter', 'tab', 'esc', 'up', 'down', 'ctrl-s', 'ctrl-x', 'alt-s', 'f1'])
    assert.equal(edited(line, key(name)), null)
  const empty = emptyField()
  for (const name of ['left', 'right', 'backspace', 'delete', 'ctrl-w', 'ctrl-u', 'ctrl-k'])
    assert.equal(edited(empty, key(name)), empty)
})

test('A paste into a line becomes one line without control characters', () => {
  assert.equal(
    typed(emptyField(), 'ann@example.org,\r\nben@example.org\n').text,
    'ann@example.org, ben@example.org',
  )
  assert.equal(typed(emptyField(), 'a\u001b[2Jb\u0007\u009bc\u0000\ud800').text, 'a[2Jbc\ufffd')
})

test('A line too long for its place is shown around the cursor, and the cursor stands on its character', () => {
  const line = field(
    `To日本語の${family}長い${flag}件名 and ${accented}t${accented} and ${hebrew} `.repeat(9),
  )
  for (const columns of [2, 3, 10, 39])
    for (let at: Field = after(line, 'home'), passed = -1; passed !== at.cursor; at = after(at, 'right')) {
      passed = at.cursor
      const { shown, cursorColumn } = fieldView(at, columns)
      assert.ok(cells(shown) <= columns, `${cells(shown)} cells in ${columns}`)
      assert.ok(cursorColumn >= 0 && cursorColumn < columns)
      // What is drawn before the cursor ends where the cursor stands, and is what stands before it in the line.
      const before = fieldView(field(at.text.slice(0, at.cursor)), 100_000).shown
      const places = [...before.matchAll(/(?=.)|$/gsu)].map(({ index }) => before.slice(index))
      assert.ok(places.some((piece) => cells(piece) === cursorColumn && shown.startsWith(piece)))
    }
  assert.deepEqual(fieldView(field('日本'), 80), { shown: '日本', cursorColumn: 4 })
  assert.deepEqual(fieldView(field('12345'), 5), { shown: '345', cursorColumn: 3 })
})

test('What would be drawn as nothing is drawn as a mark, and nothing drawn can move the cursor', () => {
  const { shown, cursorColumn } = fieldView(field('a\u202eb\u200bc\u2066d'), 40)
  assert.equal(shown, 'a\ufffdb\ufffdc\ufffdd')
  assert.equal(cursorColumn, 7)
})

test('A secret shows nothing and gives its text once', () => {
  const secret = new Secret()
  for (const character of 'correct hörse') assert.ok(secret.edit(letter(character)))
  secret.paste(' bättery\n')
  assert.ok(secret.edit(key('backspace')))
  assert.ok(!secret.edit(key('enter')))
  assert.equal(inspect(secret, { depth: 9, showHidden: true }).match(/h.rse/), null)
  assert.equal(JSON.stringify({ secret }), '{"secret":{}}')
  assert.ok(!secret.isEmpty)
  assert.equal(secret.take(), 'correct hörse bätter')
  assert.ok(secret.isEmpty)
  assert.equal(secret.take(), '')
})

test('A text wraps at words and beside wide characters, and stays as it was written', () => {
  const written =
    'The quick brown fox jumps over the lazy dog.\n\n吾輩は猫である。名前はまだ無い。どこで生れたか'
  const { lines } = textView(textField(written), { columns: 20, rows: 10 })
  assert.deepEqual(lines, [
    'The quick brown fox',
    'jumps over the lazy',
    'dog.',
    '',
    '吾輩は猫である。名',
    '前はまだ無い。どこ',
    'で生れたか',
  ])
  assert.equal(textOf(textField(written)), written)
  assert.deepEqual(textView(textField('123456789「ab」。'), { columns: 11, rows: 3 }).lines, [
    '123456789',
    '「ab」。',
  ])
  assert.deepEqual(textView(textField(`${'x'.repeat(25)} y`), { columns: 11, rows: 4 }).lines, [
    'xxxxxxxxxx',
    'xxxxxxxxxx',
    'xxxxx y',
  ])
  assert.deepEqual(textView(textField('a\tb'), { columns: 20, rows: 4 }).lines, ['a       b'])
})

test('Up and Down keep the column through rows that are shorter', () => {
  let text = textField('long enough line\nab\n日本語の行です')
  text = textAfter(text, ['end', 'left', 'down'])
  assert.deepEqual(text.cursor, { line: 1, offset: 2 })
  text = textAfter(text, ['down'])
  assert.deepEqual(text.cursor, { line: 2, offset: 7 })
  text = textAfter(text, ['up', 'up'])
  assert.deepEqual(text.cursor, { line: 0, offset: 15 })
  // In the middle of a wide character: on it, not behind it.
  text = textAfter(textField('abc\n日本語'), ['end', 'down'])
  assert.deepEqual(text.cursor, { line: 1, offset: 1 })
})

test('Up and Down go by rows as they are drawn, PgUp and PgDn by windows', () => {
  const written = Array.from({ length: 100 }, (_, i) => `line ${i} with words that need two rows`).join('\n')
  let text = textAfter(textField(written), ['down'])
  assert.deepEqual(text.cursor.line, 0)
  assert.ok(text.cursor.offset > 0)
  text = textAfter(text, ['pgdn', 'pgdn', 'pgdn'])
  const { lines, cursor } = textView(text, size)
  assert.equal(lines.length, size.rows)
  assert.ok(cursor.y >= 0 && cursor.y < size.rows)
  text = textAfter(text, ['ctrl-end'])
  assert.equal(textView(text, size).lines[textView(text, size).cursor.y], 'that need two rows')
  text = textAfter(text, ['ctrl-home', 'up'])
  assert.deepEqual(text.cursor, { line: 0, offset: 0 })
  assert.equal(editedText(text, key('up'), size), text, 'the screen sees that it was the first row')
})

test('Enter, Backspace, Delete and Ctrl-K part and join lines', () => {
  let text = textAfter(textField('one two'), ['ctrl-right', 'enter'])
  assert.equal(textOf(text), 'one\n two')
  text = textAfter(text, ['backspace'])
  assert.equal(textOf(text), 'one two')
  text = textAfter(textField('a\nb\nc'), ['end', 'delete', 'ctrl-k', 'ctrl-k'])
  assert.equal(textOf(text), 'ac')
  assert.equal(textOf(textAfter(textField('a\nb c'), ['down', 'end', 'ctrl-w', 'ctrl-w', 'ctrl-w'])), 'a')
})

test('Undo takes back a word, a paste, what Ctrl-K took', () => {
  let text = textField('')
  for (const character of 'hello wide world') text = editedText(text, letter(character), size)!
  text = textAfter(text, ['ctrl-_'])
  assert.equal(textOf(text), 'hello wide')
  text = pastedText(text, '\r\nmany\r\nlines\u001b[31m', size)
  assert.equal(textOf(text), 'hello wide\nmany\nlines[31m')
  text = textAfter(text, ['ctrl-u', 'alt-u', 'alt-u'])
  assert.equal(textOf(text), 'hello wide')
  text = rewritten(text, 'from the editor')
  text = textAfter(text, ['ctrl-_', 'ctrl-_', 'ctrl-_'])
  assert.equal(textOf(text), '')
  assert.equal(editedText(text, key('ctrl-_'), size), text)
})

test('Whatever is done to a text, its rows are those of a text written anew, and undo leads back', () => {
  const pieces = [
    'a',
    'word ',
    ' ',
    '日本',
    '。',
    '「',
    family,
    flag,
    '🇫',
    accented,
    '\u0301',
    '\t',
    hebrew,
    'é',
    'x'.repeat(30),
  ]
  const keys = [
    'left',
    'right',
    'up',
    'down',
    'home',
    'end',
    'backspace',
    'delete',
    'ctrl-w',
    'ctrl-k',
    'ctrl-u',
  ]
  keys.push(
    'pgup',
    'pgdn',
    'ctrl-left',
    'ctrl-right',
    'enter',
    'ctrl-_',
    'backspace',
    'left',
    'ctrl-home',
    'ctrl-end',
  )
  const segmenter = new Intl.Segmenter('en')
  for (let seed = 1; seed <= 40; seed++) {
    const roll = dice(seed)
    let text = textField('')
    let window_ = { columns: 12, rows: 5 }
    for (let i = 0; i < 300; i++) {
      if (roll(60) === 0) window_ = { columns: 4 + roll(20), rows: 1 + roll(7) }
      if (roll(30) === 0)
        text = pastedText(
          text,
          Array.from({ length: 60 }, () => pieces[roll(pieces.length)]).join(''),
          window_,
        )
      const next = roll(3) === 0 ? key(keys[roll(keys.length)]!) : letter(pieces[roll(pieces.length)]!)
      text = editedText(text, next, window_)!
      const { lines, cursor } = textView(text, window_)
      const fresh = { ...text, lines: textField(textOf(text)).lines }
      const anew = textView(fresh, window_)
      assert.deepEqual({ lines, cursor }, anew, `seed ${seed}, step ${i}`)
      assert.ok(lines.length <= window_.rows && cursor.y < lines.length && cursor.x < window_.columns)
      for (const line of lines) assert.ok(cells(line) <= window_.columns)
      const { text: line } = text.lines[text.cursor.line]!
      const boundaries = [...segmenter.segment(line)].map(({ index }) => index)
      assert.ok(
        [...boundaries, line.length].includes(text.cursor.offset),
        `seed ${seed}, step ${i}: inside a character`,
      )
    }
    for (let i = 0; i < 400; i++) text = textAfter(text, ['ctrl-_'], window_)
    assert.equal(textOf(text), '')
  }
})

test('Letters taken for simple ones are drawn as they are, as wide as was assumed, and join with nothing', () => {
  const segmenter = new Intl.Segmenter('en')
  for (let unit = 0x20; unit < 0x10000; unit++) {
    if (unit >= 0xd800 && unit < 0xe000) continue
    const character = String.fromCharCode(unit)
    const { shown, cursorColumn } = fieldView({ text: `${character}${character}`, cursor: 1 }, 40)
    if (shown !== `${character}${character}`) continue
    assert.equal(harmless(character), character)
    if ([...segmenter.segment(shown)].length === 2)
      assert.equal(cursorColumn, cells(character), unit.toString(16))
  }
})

test('A line of a megabyte is drawn after each key as if it were wrapped anew', () => {
  const words = 'words of a long line, '.repeat(50_000)
  let text = pastedText(textField(''), words, size)
  text = textAfter(text, ['ctrl-home', ...Array.from({ length: 40 }, () => 'pgdn')])
  for (const name of ['x', 'y', ' ']) text = editedText(text, letter(name), size)!
  const { lines } = textView(text, size)
  const anew = { ...text, lines: textField(textOf(text)).lines }
  assert.deepEqual(textView(anew, size).lines, lines)
  assert.equal(textOf(textAfter(text, ['ctrl-_', 'ctrl-_', 'ctrl-_'])).length, 0)
})

// ---- the editor

/** An environment with an editor that is this script; the text's place is the folder, as a session's own would be. */
const editorIn = (t: TestContext, script: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-editor-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'my editor')
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const log = join(folder, 'log')
  const environment = { ...process.env, VISUAL: `'${program}'`, EDITOR: 'false', LOG: log, TERM: 'xterm' }
  return { folder, program, environment, logged: () => readFileSync(log, 'utf8') }
}
const leftBehind = async (environment: NodeJS.ProcessEnv) =>
  readdirSync((await placeForText(environment)).folder).filter((name) =>
    name.startsWith(`wafer-edit-${process.pid}-`),
  )

test('The editor gets the text in a file and a folder that only its owner may look into', async (t) => {
  const script =
    'stat -c "%a %u" "$1" "$(dirname "$1")" > "$LOG"; cat "$1" >> "$LOG"; echo "$1" >> "$LOG"; echo 日本語 > "$1"'
  const { environment, logged } = editorIn(t, script)
  assert.deepEqual(await editorEdited('Dear Ben,\nhow are you?', { environment }), { text: '日本語' })
  const [file, folder, ...rest] = logged().split('\n')
  const own = process.getuid?.()
  assert.deepEqual([file, folder], [`600 ${own}`, `700 ${own}`])
  assert.deepEqual(rest.slice(0, 2), ['Dear Ben,', 'how are you?'])
  assert.match(rest[2]!, /\.eml$/)
  assert.deepEqual(await leftBehind(environment), [])
})

test('The text comes back with one kind of line ends and no mark of byte order, and nothing is put to its end', async (t) => {
  const script = (octets: string) => editorIn(t, `printf '${octets}' > "$1"`).environment
  const edit = (text: string, octets: string) => editorEdited(text, { environment: script(octets) })
  assert.deepEqual(await edit('a', '\\357\\273\\277one\\r\\ntwo\\rthree\\n'), { text: 'one\ntwo\nthree' })
  assert.deepEqual(await edit('a\n', 'one\\n'), { text: 'one\n' })
  assert.deepEqual(await edit('', ''), { text: '' })
  assert.deepEqual(await editorEdited('as it was', { environment: editorIn(t, ':').environment }), {
    text: 'as it was',
  })
})

test('What an editor wrote in another charset than UTF-8 is not lost', async (t) => {
  const { environment } = editorIn(t, `printf '\\306\\374\\313\\334' > "$1"`)
  assert.deepEqual(await editorEdited('', { environment: { ...environment, LC_ALL: 'ja_JP.EUC-JP' } }), {
    text: '日本',
  })
  const latin = editorIn(t, `printf 'h\\366rse' > "$1"`).environment
  assert.deepEqual(await editorEdited('', { environment: { ...latin, LC_ALL: 'C.UTF-8' } }), {
    text: 'hörse',
  })
})

test('An editor that fails, is missing, is none or removes the file leaves the text as it was, and says so', async (t) => {
  const broken = async (environment: NodeJS.ProcessEnv) => {
    const result = await editorEdited('kept', { environment })
    assert.deepEqual(await leftBehind(environment), [])
    return 'failed' in result ? result.failed : assert.fail(`came back with ${result.text}`)
  }
  const { environment } = editorIn(t, 'echo lost > "$1"; exit 3')
  assert.match(await broken(environment), /ended with 3; the text is as it was before\.$/)
  assert.match(await broken({ ...environment, VISUAL: 'no-such-editor -w' }), /no-such-editor was not found/)
  assert.match(await broken(editorIn(t, 'rm "$1"').environment), /left no file/)
  assert.match(await broken(editorIn(t, 'rm "$1"; mkdir "$1"').environment), /left no file/)
  assert.match(await broken(editorIn(t, 'kill -9 $$').environment), /ended by SIGKILL|ended with 137/)
  assert.match(await broken({ PATH: process.env.PATH, VISUAL: ' ', EDITOR: '' }), /VISUAL or EDITOR/)
})

test('What an editor had saved before a signal ended it is taken, and the sentence says what happened', async (t) => {
  for (const [script, text] of [
    ['echo saved > "$1"; kill -9 $$', 'saved'],
    ['echo saved > "$1"; kill -HUP $$', 'saved'],
    ['echo saved > "$1"; sh -c "kill -SEGV \\$\\$"; exit $?', 'saved'],
  ] as const) {
    const { environment } = editorIn(t, script)
    const result = await editorEdited('before', { environment })
    assert.ok('text' in result, JSON.stringify(result))
    assert.equal(result.text, text)
    assert.match(
      result.note ?? '',
      /^The editor .* was ended by SIG(KILL|HUP|SEGV)\. What it had saved is in the letter\.$/,
    )
    assert.deepEqual(await leftBehind(environment), [])
  }
  for (const script of ['kill -9 $$', ': > "$1"; kill -9 $$', 'rm "$1"; kill -TERM $$']) {
    const result = await editorEdited('before', { environment: editorIn(t, script).environment })
    assert.ok('failed' in result, script)
    assert.match(result.failed, /was ended by SIG(KILL|TERM); the text is as it was before\.$/)
  }
})

test('The command is read as a shell reads it, with arguments, quotes and variables', async (t) => {
  const { environment, program, logged } = editorIn(t, 'for each; do echo "$each" >> "$LOG"; done')
  const own = { ...environment, MODE: 'mail', VISUAL: `"${program}" -c "set ft=$MODE" -nw` }
  await editorEdited('', { environment: own })
  assert.deepEqual(logged().split('\n').slice(0, 2), ['-c', 'set ft=mail'])
  assert.equal(editorOf({ VISUAL: 'emacs', EDITOR: 'ed' }), 'emacs')
  assert.equal(editorOf({ VISUAL: 'emacs', EDITOR: 'ed', TERM: 'dumb' }), 'ed')
  assert.equal(editorOf({ EDITOR: 'ed', VISUAL: '' }), 'ed')
  assert.equal(editorOf({}), null)
})

test('Backups, swap files and folders that the editor left beside the text go with it', async (t) => {
  const { environment, logged } = editorIn(
    t,
    'cd "$(dirname "$1")"; pwd > "$LOG"; cp "$1" "$1~"; cp "$1" .letter.swp; mkdir -p old/er; cp "$1" old/er; mv "$1~" "$1"',
  )
  assert.deepEqual(await editorEdited('secret', { environment }), { text: 'secret' })
  assert.equal(existsSync(logged().trim()), false)
})

test('vim is told to write the text nowhere else, also where it is called vi', async (t) => {
  if (!needs(t, 'vim')) return
  const { folder, environment } = editorIn(t, ':')
  const home = join(folder, 'home')
  mkdirSync(home)
  writeFileSync(
    join(home, '.vimrc'),
    `set undofile undodir=${home} backup backupdir=${home} directory=${home}\n`,
  )
  const link = join(folder, 'vi')
  symlinkSync(spawnSync('sh', ['-c', 'command -v vim'], { encoding: 'utf8' }).stdout.trim(), link)
  for (const vim of ['vim', `'${link}'`, link]) {
    const own = { HOME: home, VISUAL: `${vim} -T dumb -c "normal Ganother line" -c "wq"` }
    const done = await editorEdited('one line', { environment: { ...environment, ...own } })
    assert.ok('text' in done && done.text.includes('nother line'))
    assert.deepEqual(readdirSync(home), ['.vimrc'])
  }
})

test('No line of a quoted mail sets an option of vim, whatever its owner allows', async (t) => {
  if (!needs(t, 'vim')) return
  const { folder, environment } = editorIn(t, ':')
  const home = join(folder, 'home')
  mkdirSync(home)
  writeFileSync(join(home, '.vimrc'), 'set nocompatible modeline modelines=9 modelineexpr\n')
  const seen = join(folder, 'seen')
  for (const mail of ['> vim: set tw=7 sw=3:', '> /* ex:set tw=7: */']) {
    const own = { HOME: home, VISUAL: `vim -T dumb -c "redir! > ${seen} | set tw? sw? | redir END" -c "wq"` }
    const done = await editorEdited(`Hello.\n\n${mail}\n`, { environment: { ...environment, ...own } })
    assert.deepEqual(done, { text: `Hello.\n\n${mail}\n` })
    assert.doesNotMatch(readFileSync(seen, 'utf8'), /textwidth=7|shiftwidth=3/)
    assert.match(readFileSync(seen, 'utf8'), /textwidth=/)
  }
})

test('Each save reaches the client while the editor is open, and the client goes on meanwhile', async (t) => {
  const { environment } = editorIn(
    t,
    'echo first > "$1"; sleep 1; echo second > "$1.new"; mv "$1.new" "$1"; sleep 1',
  )
  const saves: string[] = []
  let beats = 0
  const heart = setInterval(() => beats++, 50)
  const result = await editorEdited('before', { environment, saved: (text) => saves.push(text) })
  clearInterval(heart)
  assert.deepEqual(result, { text: 'second' })
  assert.deepEqual(saves, ['first\n', 'second\n'])
  assert.ok(beats > 5)
})

test('No text is left behind by a client that ends by exit, SIGHUP or SIGTERM, nor, later, by one that was killed', async (t) => {
  const { folder, environment, logged } = editorIn(
    t,
    'trap "" HUP TERM; dirname "$1" > "$LOG"; sleep 2; exit 1',
  )
  const source = join(folder, 'client.mjs')
  const editor = pathToFileURL(join(root, 'tui/letter/editor.ts')).href
  writeFileSync(
    source,
    `import { edited } from '${editor}'
     if (process.argv[2] === 'exit') setTimeout(() => process.exit(0), 600)
     await edited('secret')`,
  )
  for (const end of ['exit', 'SIGHUP', 'SIGTERM', 'SIGKILL'] as const) {
    rmSync(environment.LOG, { force: true })
    const client = spawn(process.execPath, ['--import', 'tsx', source, end], {
      env: environment,
      stdio: 'ignore',
      cwd: root,
    })
    const closed = once(client, 'close')
    while (!existsSync(environment.LOG) || logged() === '') await delay(20)
    const place = logged().trim()
    assert.ok(existsSync(place))
    if (end !== 'exit') client.kill(end)
    const [code, signal] = await closed
    assert.deepEqual([code, signal], end === 'exit' ? [0, null] : [null, end])
    if (end === 'SIGKILL') {
      assert.ok(existsSync(place), 'kill -9 leaves it behind')
      await editorEdited('', { environment: { ...environment, VISUAL: ':' } })
    }
    assert.equal(existsSync(place), false, end)
  }
})

test('A place on a disk is named as such, one in memory is preferred', async () => {
  const { folder, isOnDisk } = await placeForText({ ...process.env, XDG_RUNTIME_DIR: '/no/such/place' })
  const kind = spawnSync('stat', ['-f', '-c', '%T', folder]).stdout.toString().trim()
  assert.equal(isOnDisk, kind !== 'tmpfs' && kind !== 'ramfs')
})

// ---- paths

const files = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-paths-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const home = join(folder, 'home')
  mkdirSync(join(home, 'My Letters'), { recursive: true })
  mkdirSync(join(home, '.config'))
  for (const name of [
    'report 1.pdf',
    'report 10.pdf',
    'report 2.pdf',
    '資料あ.txt',
    '資料い.txt',
    '.hidden',
    'Music',
  ])
    writeFileSync(join(home, name), name)
  writeFileSync(join(home, 'My Letters', 'to ben.txt'), 'Dear Ben')
  writeFileSync(join(home, 'evil\u001b[2J.txt'), '')
  symlinkSync(join(home, 'My Letters'), join(home, 'link'))
  symlinkSync(join(home, 'nothing'), join(home, 'dangling'))
  return { home, folder: home }
}

test('Paths are completed as far as they agree; folders end in a slash, hidden ones wait for their dot', async (t) => {
  const place = files(t)
  const at = (typed: string) => completions(typed, place)
  assert.deepEqual(await at('rep'), {
    completed: 'report ',
    candidates: ['report 1.pdf', 'report 2.pdf', 'report 10.pdf'],
  })
  assert.deepEqual(await at('~/My'), { completed: '~/My Letters/', candidates: ['My Letters/'] })
  assert.deepEqual(await at('~/My Letters/'), {
    completed: '~/My Letters/to ben.txt',
    candidates: ['to ben.txt'],
  })
  assert.deepEqual(await at('~'), { completed: '~/', candidates: ['~/'] })
  assert.deepEqual((await at(`${place.home}/資`)).completed, `${place.home}/資料`)
  assert.deepEqual((await at('li')).candidates, ['link/'])
  assert.deepEqual((await at('dang')).candidates, ['dangling'])
  assert.deepEqual((await at('.')).candidates, ['.config/', '.hidden'])
  assert.deepEqual((await at('./My Letters/../mus')).completed, './My Letters/../Music')
  assert.deepEqual(await at('nothing/at/all'), { completed: 'nothing/at/all', candidates: [] })
  const all = (await at('')).candidates
  assert.ok(all.includes('My Letters/') && !all.some((name) => name.startsWith('.') || /\u001b/.test(name)))
  assert.equal((await at('m')).completed, 'M')
})

test('A file is attached with its name, type and octets, up to what there is room for', async (t) => {
  const place = files(t)
  const attach = (typed: string, most = 100) => attachmentFrom(typed, most, place)
  const letter = { name: 'to ben.txt', type: 'text/plain', octets: new Uint8Array(Buffer.from('Dear Ben')) }
  for (const typed of [
    '~/My Letters/to ben.txt',
    'My Letters/to ben.txt ',
    `'${place.home}/My Letters/to ben.txt'`,
    `${place.home}/My\\ Letters/to\\ ben.txt`,
    'link/to ben.txt',
  ])
    assert.deepEqual(await attach(typed), { attachment: letter }, typed)
  assert.deepEqual(await attach('link/to ben.txt', 8), { attachment: letter })
  const refusal = async (typed: string, most?: number) => {
    const result = await attach(typed, most)
    return 'failed' in result ? result.failed : assert.fail('was attached')
  }
  assert.match(await refusal('link/to ben.txt', 7), /only 0\.0 MB are left/)
  assert.match(await refusal('My Letters'), /is a folder/)
  assert.match(await refusal('no such file'), /does not exist/)
  assert.match(await refusal('Music/x'), /does not exist/)
  assert.match(await refusal(''), /Which file/)
  const pipe = join(place.home, 'pipe')
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0)
  assert.match(await refusal('pipe'), /is not a file/)
  assert.equal(typeOf('Photo.JPEG'), 'image/jpeg')
  assert.equal(typeOf('.bashrc'), 'application/octet-stream')
})

// ---- addresses

test('The address at the cursor is the one that is completed, whatever its neighbours are', () => {
  const at = (text: string): Field => ({ text: text.replace('|', ''), cursor: text.indexOf('|') })
  const shown = ({ text, cursor }: Field) => `${text.slice(0, cursor)}|${text.slice(cursor)}`
  const ben = { name: 'Ben', address: 'ben@example.org' }
  assert.equal(typingAt(at('ann@example.org, be|, eve@example.org')).words, 'be')
  assert.equal(typingAt(at('"Doe, Ja|ne')).words, 'Doe, Ja')
  assert.equal(typingAt(at('Ben <be|')).words, 'Ben be')
  assert.equal(typingAt(at('Ben <be, e|')).words, 'e')
  assert.equal(typingAt(at('ann@example.org, |')).words, '')
  assert.equal(shown(completedWith(at('be|'), ben)), 'Ben <ben@example.org>, |')
  assert.equal(
    shown(completedWith(at('"Doe, J" <j@example.org>, be|n, eve@example.org'), ben)),
    '"Doe, J" <j@example.org>, Ben <ben@example.org>, |eve@example.org',
  )
  assert.equal(asWritten({ name: '', address: 'a@b.example' }), 'a@b.example')
  assert.equal(
    asWritten({ name: 'Doe, "J"\n\u001b', address: 'a@b.example' }),
    '"Doe, \\"J\\"" <a@b.example>',
  )
  assert.equal(asWritten({ name: '山田 太郎', address: 'a@b.example' }), '山田 太郎 <a@b.example>')
})
