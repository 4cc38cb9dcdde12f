/**
 * Builds what runs: dist/wafer.js (the commands; the server and the client for scripts are beside it, loaded when
 * they are called for), dist/child-code.cjs (the process that works with keys and hostile mail; dist/child.js starts it
 * with what was compiled of it, dist/child-code.cache), dist/sqlite-thread.js (which searches), dist/tui.js (the terminal
 * client), dist/remote.js (the same for people who come by SSH), dist/ssh-door.js (the process that they come to),
 * dist/enhance-HASH.js (htmx for the browsers that can use it) and dist/passkey-HASH.js (for pages that ask for a
 * passkey); and THIRD-PARTY-NOTICES, with the licence of each package that went into them. Nothing is built when no
 * source is newer than the last build, so that every command may ask. With a folder as argument it is built there, from
 * nothing.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const root = import.meta.dirname
const dist = process.argv[2] ?? join(root, 'dist')
const stamp = join(dist, 'built')

const newestMs = (path) => {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))))
}
const sources = [
  'server',
  'web',
  'tui',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'esbuild.config.js',
]
const builtMs = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** One letter beyond ASCII, which regular expressions keep, and V8 holds the whole file with two octets for each of its letters. */
const toAscii = (file) =>
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(
      /[^\0-\x7f]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  )

const rule = '-'.repeat(72)

/** The full text of a licence that a package names without bringing it. */
const licenceText = (id, holder) => {
  const file = join(root, 'node_modules/spdx-license-list/licenses', `${id}.json`)
  const { licenseText } = JSON.parse(readFileSync(file, 'utf8'))
  return licenseText.replace('<year> <copyright holders>', holder)
}

/** What the licences of the packages that these files belong to want to be told. */
const notices = (files) => {
  const folders = new Map()
  for (const file of files) {
    const [, folder] = file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//) ?? []
    if (folder) folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  const chapters = [...folders].sort().map(([folder, parts]) => {
    const { name, version, license, author } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    )
    const brought = readdirSync(join(root, folder)).filter((file) =>
      /^(licen[sc]e|copying|notice)/i.test(file),
    )
    const texts = brought.map((file) => readFileSync(join(root, folder, file), 'utf8').trim())
    if (texts.length === 0)
      texts.push(licenceText(license, author?.name ?? author ?? `the authors of ${name}`))
    // Packages that are bundles themselves name in such comments what they are made of.
    const comments = parts.flatMap(
      (file) => readFileSync(join(root, file), 'utf8').match(/\/\*!.*?\*\//gs) ?? [],
    )
    return [`${name} ${version} (${license})`, ...new Set(comments), ...texts].join('\n\n')
  })
  return [
    `Wafer is under the MIT licence (LICENSE). Its program contains these packages, each under its own licence.

OpenPGP.js (openpgp) is under the GNU Lesser General Public License, version 3 or later, whose text is below with that
of the GNU General Public License that it builds on. You may replace it by a version of your own: in a checkout of
Wafer, put that in the place of node_modules/openpgp and build (npm run build); in an installed package, exchange the
part of dist/child-code.cjs that follows the comment with the path of openpgp. You may also study how Wafer works with it, and
take it apart for that.`,
    ...chapters,
    `GNU General Public License, version 3, which the GNU Lesser General Public License builds on\n\n${licenceText('GPL-3.0')}`,
  ]
    .join(`\n\n${rule}\n\n`)
    .concat('\n')
}

if (Math.max(...sources.map((name) => newestMs(join(root, name)))) > builtMs) {
  // Only a build needs the bundler: a production install without it runs what was built before.
  const { build } = await import('esbuild')
  const begunMs = Date.now()
  // Of its own: another build may be under way.
  const next = mkdtempSync(join(root, 'dist.tmp-'))
  process.on('exit', () => rmSync(next, { recursive: true, force: true }))
  const common = {
    bundle: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    absWorkingDir: root,
    metafile: true,
  }
  const node = {
    ...common,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['better-sqlite3', 'pg-native'],
    // A name that no minifier makes up.
    banner: {
      js: "import{createRequire as requireOfNode}from'node:module';const require=requireOfNode(import.meta.url);",
    },
  }
  // In one file each: the child may read no other, and nobody waits for a client in pieces.
  const tuiApart = {
    name: 'tui-apart',
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/tui\/main\.tsx$/ }, () => ({ path: './tui.js', external: true })),
  }
  // Ink asks for React's developer tools when DEV is set, and would bring them along in any case.
  const withoutDevtools = {
    name: 'without-devtools',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /^\.\/devtools\.js$/ }, () => ({ path: 'devtools', namespace: 'nothing' }))
      onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: '' }))
    },
  }
  // openpgp.js looks for this one at run time, beside itself; the child may read nothing but its own file.
  const brainpool = {
    name: 'brainpool',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\/openpgp\/dist\/node\/openpgp\.mjs$/ }, ({ path }) => ({
        contents: readFileSync(path, 'utf8').replaceAll(
          "util.nodeRequire('eckey-utils')",
          "require('eckey-utils')",
        ),
      })),
  }
  // The composer of letters would load an HTTP client for the files of a letter that lie elsewhere. None of ours does, and
  // what works with keys and hostile mail asks no one for anything; each such process begins a fifth sooner without.
  const withoutFetch = {
    name: 'without-fetch',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /\/fetch\/index\.js$/ }, ({ importer }) =>
        /\/nodemailer\//.test(importer) ? { path: 'fetch', namespace: 'no-client' } : null,
      )
      onLoad({ filter: /.*/, namespace: 'no-client' }, () => ({
        contents: `export default () => { throw new Error('expected octets, got an address to fetch them from') }`,
      }))
    },
  }
  const bundled = new Set()
  const bundle = async (options) => {
    const result = await build(options)
    for (const file of Object.keys(result.metafile.inputs)) bundled.add(file)
    return result
  }
  await bundle({
    ...node,
    entryPoints: { wafer: 'server/cli.ts', scripts: 'tui/scripts.ts' },
    plugins: [tuiApart],
    // A command reads only what it needs: the server is several megabytes.
    splitting: true,
    chunkNames: 'part-[hash]',
    outdir: next,
  })
  // Compiled once, here, not by each process: hence no module, whose code Node.js does not take compiled.
  await bundle({
    ...node,
    format: 'cjs',
    banner: { js: "const urlOfFile=require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'urlOfFile', 'import.meta.dirname': '__dirname' },
    entryPoints: { 'child-code': 'server/locked/child.ts' },
    outExtension: { '.js': '.cjs' },
    plugins: [brainpool, withoutFetch],
    outdir: next,
  })
  await bundle({ ...node, entryPoints: { child: 'server/locked/child-start.ts' }, outdir: next })
  execFileSync(process.execPath, [join(next, 'child.js'), 'compile'])
  await bundle({
    ...node,
    entryPoints: { 'ssh-door': 'server/doors/ssh/door.ts' },
    // What ssh2 would rather have compiled; it does without.
    external: ['*.node', 'cpu-features'],
    // Where it would look for a program of Windows, for clients.
    define: { __dirname: '""' },
    outdir: next,
  })
  await bundle({
    ...node,
    entryPoints: { 'sqlite-thread': 'server/ground/store/sqlite-thread.ts' },
    outdir: next,
  })
  await bundle({
    ...node,
    // On a person's own machine, and behind SSH.
    entryPoints: { tui: 'tui/main.tsx', remote: 'tui/remote/worker.ts' },
    minify: true,
    define: {
      'process.env.NODE_ENV': '"production"',
      'process.env.DEV': '"false"',
      // The layout engine of Ink asks whether there is one, and Node.js would load it to say so.
      fetch: 'undefined',
    },
    // Its other half writes PNG files.
    alias: { qrcode: 'qrcode/lib/core/qrcode.js' },
    plugins: [withoutDevtools],
    outdir: next,
  })
  for (const name of ['tui.js', 'remote.js']) toAscii(join(next, name))
  for (const script of ['enhance', 'passkey']) {
    const { outputFiles } = await bundle({
      ...common,
      entryPoints: [`web/${script}.ts`],
      minify: true,
      target: 'es2020',
      format: 'iife',
      write: false,
    })
    const octets = outputFiles[0].contents
    const name = `${script}-${createHash('sha256').update(octets).digest('hex').slice(0, 5)}.js`
    writeFileSync(join(next, name), octets)
    writeFileSync(join(next, `${name}.br`), brotliCompressSync(octets))
    writeFileSync(join(next, `${name}.gz`), gzipSync(octets, { level: 9 }))
  }
  // A server that runs keeps the files it knows: each file is replaced whole, older names stay for a day.
  mkdirSync(dist, { recursive: true })
  const dayMs = 86_400_000
  for (const file of readdirSync(dist))
    if (/^part-/.test(file) && statSync(join(dist, file)).mtimeMs < Date.now() - dayMs)
      rmSync(join(dist, file))
  for (const file of readdirSync(next)) renameSync(join(next, file), join(dist, file))
  writeFileSync(join(root, 'THIRD-PARTY-NOTICES'), notices([...bundled]))
  writeFileSync(stamp, readFileSync(join(root, 'package.json'), 'utf8').match(/"version": "(.*)"/)[1])
  // What was changed meanwhile may not be in it.
  utimesSync(stamp, begunMs / 1000, begunMs / 1000)
}
