/** Decks held to what handsets take: WML's grammar, by xmllint, and the compiler of Kannel's gateway. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readWbxml } from './wbxml.ts'

export const compiler = '/usr/lib/kannel/test/wml_tester'

/** What pages use of WML 1.3 (WAP-191-WML §13.4), and nothing else: of that no distribution has the DTD. */
const grammar = `
<!ELEMENT wml (card)><!ELEMENT card ((do)*, (p)*)>
<!ATTLIST card title CDATA #IMPLIED newcontext (true|false) "false">
<!ELEMENT do (go|prev)>
<!ATTLIST do type NMTOKEN #REQUIRED label CDATA #REQUIRED name ID #IMPLIED>
<!ELEMENT go (postfield|setvar)*>
<!ATTLIST go href CDATA #REQUIRED method (post|get) "get">
<!ELEMENT prev EMPTY><!ELEMENT refresh (setvar)*>
<!ELEMENT postfield EMPTY><!ATTLIST postfield name CDATA #REQUIRED value CDATA #REQUIRED>
<!ELEMENT setvar EMPTY><!ATTLIST setvar name NMTOKEN #REQUIRED value CDATA #REQUIRED>
<!ELEMENT p (#PCDATA|b|br|a|anchor|input|select)*>
<!ELEMENT b (#PCDATA)><!ELEMENT br EMPTY>
<!ELEMENT a (#PCDATA)><!ATTLIST a href CDATA #REQUIRED>
<!ELEMENT anchor (#PCDATA|go|refresh)*>
<!ELEMENT input EMPTY>
<!ATTLIST input name NMTOKEN #REQUIRED type (text|password) "text" value CDATA #IMPLIED title CDATA #IMPLIED emptyok (true|false) "false">
<!ELEMENT select (option)+>
<!ATTLIST select name NMTOKEN #REQUIRED value CDATA #IMPLIED title CDATA #IMPLIED multiple (true|false) "false">
<!ELEMENT option (#PCDATA)><!ATTLIST option value CDATA #REQUIRED>
`

/** Octets that the first handsets take, compiled. */
const most = 1_400

export const decksToHold = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-wml-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const names: string[] = []
  const fileOf = (place: number) => join(folder, `${place}.wml`)
  return {
    names,
    add: (deck: string, name: string) => {
      writeFileSync(fileOf(names.length), deck)
      names.push(name)
    },
    hold: () => {
      const dtd = join(folder, 'wml.dtd')
      writeFileSync(dtd, grammar)
      const files = names.map((_, place) => fileOf(place))
      const valid = spawnSync('xmllint', ['--nonet', '--noout', '--dtdvalid', dtd, ...files], {
        encoding: 'utf8',
      })
      assert.equal(
        valid.status,
        0,
        `${valid.stderr.slice(0, 3_000)}\n${names.map((name, place) => `${place} ${name}`).join('\n')}`,
      )
      const each = `for deck in *.wml; do ${compiler} -b -c utf-8 -f "$deck.wbxml" "$deck" || exit; done`
      const compiled = spawnSync('sh', ['-c', each], { cwd: folder, encoding: 'utf8' })
      assert.doesNotMatch(compiled.stderr, /WARNING|ERROR|PANIC/, compiled.stderr.slice(0, 3_000))
      assert.equal(compiled.status, 0, compiled.stderr.slice(0, 3_000))
      for (const [place, name] of names.entries()) {
        const octets = readFileSync(`${fileOf(place)}.wbxml`)
        assert.ok(octets.length <= most, `expected ${most} octets, got ${octets.length} of ${name}`)
        readWbxml(octets)
      }
    },
  }
}
