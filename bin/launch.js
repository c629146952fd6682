/**
 * Starts a program of Oxbow on Node 24: of the version that `oxbow upgrade` has made current, else the bundle next to it, else the sources. Plain
 * JavaScript that an old Node can read: its first task is to find a newer Node, the one that npm has installed with Oxbow.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const wantedMajor = 24
/** How long a command waits until a change of versions that is under way is over. */
const changeWaitMs = 90_000

const beside = (path) => fileURLToPath(new URL(path, import.meta.url))

/** @param name of the bundle in `dist/`, without `.js` @param source from the root of a checkout */
export async function launch(name, source) {
  const built = beside(`../dist/${name}.js`)
  if (!existsSync(built) && !existsSync(beside(`../${source}`))) {
    process.stderr.write(
      'error: this package of Oxbow has no product: it was packed from sources that were not built\n' +
        'hint: Install another package (docs/install.md). Whoever packs one: npm run package in the sources.\n',
    )
    process.exitCode = 1
    return
  }
  const chosen = existsSync(built) ? await chosenVersion(`${name}.js`) : null
  const entry = chosen !== null ? chosen.entry : existsSync(built) ? built : beside(`../${source}`)
  if (process.env.OXBOW_THIS_VERSION === undefined) process.env.OXBOW_LAUNCHER = beside('..')
  const isNew = Number(process.versions.node.split('.')[0]) >= wantedMajor
  const node = chosen !== null && chosen.node !== null ? chosen.node : isNew ? null : findNode()
  if (node !== null) runWith(node, entry)
  else if (isNew) await import(pathToFileURL(entry).href)
  else {
    process.stderr.write(
      `error: Oxbow needs Node ${wantedMajor} or newer; this is Node ${process.versions.node}\n` +
        `hint: run npm ci, which installs it on Linux and Windows; elsewhere install it from https://nodejs.org\n`,
    )
    process.exitCode = 1
  }
}

/**
 * The version in `versions/` of the home that runs instead of this one, and its own Node where that is another one than this. A version
 * replaces the one that it was an upgrade or a downgrade of, and any older one: what a package manager installs later takes over again.
 */
async function chosenVersion(file) {
  const folder = join(process.env.OXBOW_HOME || join(process.env.HOME || homedir(), '.oxbow'), 'versions')
  if (process.env.OXBOW_THIS_VERSION !== undefined || !existsSync(folder)) return null
  for (let waitedMs = 0; waitedMs < changeWaitMs && isChanging(folder); waitedMs += 100) {
    if (waitedMs === 1_000) process.stderr.write('notice: the version of Oxbow is being changed; this command waits for it\n')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { version, over } = readFacts(join(folder, 'current.json'))
  const own = readFacts(beside('../dist/release.json')).version
  if (typeof version !== 'string' || !/^[0-9][0-9A-Za-z.-]*$/.test(version) || (own !== over && !isOlder(own, version))) return null
  const root = join(folder, version)
  if (!existsSync(join(root, 'dist', file))) return null
  const node = join(root, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const isOther = existsSync(node) && readFacts(join(root, 'dist', 'release.json')).node !== process.versions.node
  return { entry: join(root, 'dist', file), node: isOther ? node : null }
}

/** Whether a process is between the steps of a change; see src/runner/upgrade/change.ts. */
function isChanging(folder) {
  const { state, step, pid } = readFacts(join(folder, 'change.json'))
  if (process.env.OXBOW_CHANGE !== undefined || state !== 'going' || ['rehearse', 'wait', 'start', 'health'].includes(step)) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Without labels of pre-releases: in doubt this version runs. */
function isOlder(a, b) {
  const [first, second] = [a, b].map((version) => String(version).split('-')[0].split('.').map(Number))
  const at = first.findIndex((number, place) => number !== second[place])
  return at >= 0 && first[at] < second[at]
}

function readFacts(path) {
  try {
    return Object(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return {}
  }
}

/** The Node that the package's optional dependencies bring. */
function findNode() {
  const suffix = process.platform === 'win32' ? 'node.exe' : 'node'
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    return createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/bin/${suffix}`)
  } catch {
    return null
  }
}

/** Runs the program with another Node, passes signals on, and exits as it exits. */
function runWith(node, entry) {
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl+C in a terminal reaches the child too, which takes two at once for one; `kill` reaches this process alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`error: cannot start ${node}: ${error.message}\nhint: Remove node_modules and run npm ci.\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + constants.signals[signal] : code
  })
}
