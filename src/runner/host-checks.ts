/**
 * What `oxbow doctor` finds on the side of the host, without a guest: folders, permissions, what a crash left behind, the port. It looks
 * before anything is opened, because opening a home creates its folders and closes them to others.
 */
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { isAlive, isObject, errorMessage, OxbowError, type UserId } from '../base/index.ts'
import type { DoctorCheck } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { markedBy } from './guest-users.ts'
import { homeRoot, type HostEnv, makeFolder, usersFolder, workspaceFolders } from './home.ts'

export interface HostCheck extends DoctorCheck {
  /** Mends what was found; absent where a person has to. `oxbow doctor --fix` runs it. */
  readonly mend?: Mending
}

interface Mending {
  /** What it does, for people. */
  readonly does: string
  /** @throws the error of the system */
  run(): void
}

type Finding = Pick<HostCheck, 'state' | 'says' | 'fix' | 'mend'>

const ok = (says: string): Finding => ({ state: 'ok', says, fix: '' })
const fixCommand = 'oxbow doctor --fix'

/** Never throws, and changes nothing. */
export function checkHost(env: HostEnv, user: UserId): readonly HostCheck[] {
  const root = homeRoot(env)
  const place = { root, workspace: join(usersFolder({ root }), user) }
  return [
    timed('folders', () => checkFolders(place)),
    timed('private files', () => checkFiles(place)),
    timed('leftovers', () => checkLeftovers(place)),
  ]
}

interface Place {
  readonly root: string
  readonly workspace: string
}

function timed(name: string, check: () => Finding): HostCheck {
  const began = performance.now()
  const done = (finding: Finding): HostCheck => ({ name, ...finding, required: false, ms: Math.round(performance.now() - began) })
  try {
    return done(check())
  } catch (error) {
    const why = errorMessage(error)
    return done({ state: 'weak', says: `it could not be checked: ${why}`, fix: 'Check that you own the folder and can read it.' })
  }
}

function checkFolders({ root, workspace }: Place): Finding {
  if (!existsSync(root)) return ok(`${root} is created at the first start`)
  if (!statSync(root).isDirectory())
    return { state: 'missing', says: `${root} is a file`, fix: 'Move it away, or set OXBOW_HOME to another folder.' }
  if (!existsSync(workspace)) return ok(`${root}; the workspace is created at the first start`)
  const folders = [join(root, 'runner'), join(root, 'runner', 'compile-cache'), ...workspaceFolders(workspace)]
  const gone = folders.filter((folder) => !existsSync(folder))
  if (gone.length === 0) return ok(root)
  const names = gone.map((folder) => folder.slice(root.length + 1)).join(', ')
  const run = (): void => gone.forEach((folder) => makeFolder(folder))
  return { state: 'weak', says: `missing below ${root}: ${names}`, fix: fixCommand, mend: { does: `create ${names}`, run } }
}

const othersMay = 0o077

/** Files with keys, tokens and the journal, and the folders around them. A configuration holds no secret. */
function checkFiles({ root, workspace }: Place): Finding {
  const keys = join(root, 'runner', 'keys')
  const paths = [
    root,
    join(root, 'runner'),
    join(root, 'runner', 'signing-key.pem'),
    keys,
    usersFolder({ root }),
    ...workspaceFolders(workspace),
    ...['ipc/token', 'ipc/gateway.json', 'internal/oxbow.db', 'internal/oxbow.db-wal'].map((name) => join(workspace, name)),
    ...namesIn(keys).map((name) => join(keys, name)),
  ]
  const open = paths.filter((path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    return stats !== undefined && !stats.isSymbolicLink() && (stats.mode & othersMay) !== 0
  })
  if (open.length === 0) return ok('only you can read keys, tokens and journal')
  // A closed folder above protects them; a copy of the home would not have it.
  const run = (): void => open.forEach((path) => chmodSync(path, lstatSync(path).mode & 0o777 & ~othersMay))
  const does = `close to others: ${open.join(', ')}`
  return { state: 'weak', says: `others may read ${open.join(', ')}`, fix: fixCommand, mend: { does, run } }
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

/** Addresses of guests and servers that are gone, and drafts of writers that were killed. */
function checkLeftovers({ root, workspace }: Place): Finding {
  const addresses = ['gateway.json', 'serve.json'].map((name) => join(workspace, 'ipc', name)).filter(isStale)
  const drafts = [root, workspace, join(root, 'runner', 'keys')].flatMap((folder) =>
    namesIn(folder)
      .filter((name) => draftPid(name) !== null && !isAlive(draftPid(name)!))
      .map((name) => join(folder, name)),
  )
  const ipc = join(workspace, 'ipc')
  const marks = namesIn(ipc).filter((name) => markedBy(name) !== null && !isAlive(markedBy(name)!))
  const stale = [...addresses, ...drafts, ...marks.map((name) => join(ipc, name))]
  if (stale.length === 0) return ok('none')
  const run = (): void => stale.forEach((path) => rmSync(path, { force: true }))
  const says = `left by processes that are gone: ${stale.map((path) => join(basename(dirname(path)), basename(path))).join(', ')}`
  return { state: 'weak', says, fix: fixCommand, mend: { does: `remove ${stale.join(', ')}`, run } }
}

/** @returns the process that wrote a draft of a configuration or of a key; null for any other file */
function draftPid(name: string): number | null {
  const [, pid] = /^(?:\.config\.toml|[^/]+\.json)\.(\d+)$/.exec(name) ?? []
  return pid === undefined ? null : Number(pid)
}

/** A damaged file is stale: nobody can connect with it. */
function isStale(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    const written: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const pid = isObject(written) ? written['pid'] : undefined
    return typeof pid !== 'number' || !isAlive(pid)
  } catch {
    return true
  }
}

/** @param url of the guest that runs, if one does */
export async function checkPort({ gateway: { host, port } }: Pick<Config, 'gateway'>, url: string | null): Promise<HostCheck> {
  const began = performance.now()
  const done = (finding: Finding): HostCheck => {
    return { name: 'port', ...finding, required: false, ms: Math.round(performance.now() - began) }
  }
  if (url !== null) return done(ok(`a guest answers at ${url}`))
  const problem = await listenProblem(host, port)
  if (problem === null) return done(ok(port === 0 ? `any free one on ${host}` : `${host}:${port} is free`))
  if (problem.code === 'EADDRINUSE')
    return done({
      state: 'missing',
      says: `another program uses ${host}:${port}`,
      fix: 'End that program, or `oxbow config set gateway.port 0` for any free port.',
    })
  return done({
    state: 'missing',
    says: `Oxbow cannot listen on ${host}:${port}: ${problem.message}`,
    fix: 'Change gateway.host or gateway.port.',
  })
}

/** @returns why nothing can listen there now; null if it can */
async function listenProblem(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  const server = createServer()
  const problem = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => resolve(null))
  })
  await new Promise((resolve) => server.close(resolve))
  return problem
}

/**
 * Whether the next guest could listen where the configuration says, while this one runs.
 * @param url of the guest that runs: its own port is free for the next one @throws OxbowError `bad_config`
 */
export async function assertListens({ gateway: { host, port } }: Pick<Config, 'gateway'>, url: string): Promise<void> {
  const problem = await listenProblem(host, Number(URL.parse(url)?.port) === port ? 0 : port)
  if (problem === null) return
  throw new OxbowError('bad_config', `The gateway cannot listen on ${host}:${port} (${problem.code ?? problem.message}).`, {
    hint: 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.',
    cause: problem,
  })
}
