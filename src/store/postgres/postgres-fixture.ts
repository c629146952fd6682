/**
 * A real PostgreSQL for tests: one server for the whole test process, started on first use, in a temporary folder, on a port of
 * its own, ended when the last test file that uses it is done; and one fresh database for each case.
 *
 * The server is the child of a shell that waits for the end of its input. When the test process ends, however it ends, the shell
 * ends the server and removes the folder.
 */
import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import { existsSync, readdirSync, rmSync, mkdtempSync, readFileSync, realpathSync, chownSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import type pg from 'pg'

/** How long a server may take to start: on a machine whose cores are all busy, initdb alone has taken ten seconds. */
const startMs = 60_000

/** The newest PostgreSQL of Debian's layout, else of the path; null if neither has one. */
function binaries(): string | null {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => join(root, version, 'bin')), ...(process.env['PATH'] ?? '').split(':')]
  return folders.find((folder) => folder !== '' && existsSync(join(folder, 'initdb'))) ?? null
}

/** Why tests of Postgres are skipped here; false where they run. */
export function postgresSkip(): string | false {
  return binaries() === null && 'no PostgreSQL here: apt-get install postgresql'
}

/** Why tests of Postgres with pgvector are skipped here; false where they run. */
export function pgvectorSkip(): string | false {
  const bin = binaries()
  if (bin === null) return postgresSkip()
  const shared = execFileSync(join(bin, 'pg_config'), ['--sharedir'], { encoding: 'utf8' }).trim()
  return !existsSync(join(shared, 'extension', 'vector.control')) && 'no pgvector here: scripts/install-pgvector.sh'
}

export interface ServerOptions {
  /** Survives kill -9 and power loss as a server of people does; slower. Default: false. */
  readonly durable?: boolean
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[]
}

export interface PostgresServer extends AsyncDisposable {
  readonly folder: string
  readonly port: number
  /** As the role `oxbow`, which owns its databases and is no superuser. `role`: another role, with `:password` if it wants one. */
  url(database: string, role?: string): string
  /** Runs one statement as superuser. */
  sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(statement: string, values?: readonly unknown[], database?: string): Promise<Row[]>
  start(): Promise<void>
  /** `fast`: breaks off what runs. `immediate`: as if the machine stopped. */
  stop(mode: 'fast' | 'immediate'): Promise<void>
  /** Kills every process of the server in the middle of what it does. */
  kill(): Promise<void>
  /** Stops or lets go on all processes, as a machine would that hangs. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** Adds lines to pg_hba.conf, before the others, and has them read. */
  admit(...lines: string[]): Promise<void>
}

/** A server of its own for one test, e.g. one that kills it. Ends with the `await using` block. */
export async function startPostgres(options: ServerOptions = {}): Promise<PostgresServer> {
  const bin = binaries()
  if (bin === null) throw new Error(String(postgresSkip()))
  const owner = serverOwner()
  const folder = mkdtempSync(join(owner === null ? tmpdir() : placeForOthers(), 'oxbow-pg-'))
  if (owner !== null) chownSync(folder, owner.uid, owner.gid)
  const as: SpawnOptions = owner === null ? { cwd: folder } : { cwd: folder, ...owner }
  const data = join(folder, 'data')
  let port: number
  try {
    execFileSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'], {
      ...as,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    port = await freePort()
    writeFileSync(join(data, 'postgresql.auto.conf'), [...settings(folder, port, options), ''].join('\n'))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }

  let process: ServerProcess | null = null
  const server: PostgresServer = {
    folder,
    port,
    url: (database, role = 'oxbow') => `postgres://${role}@127.0.0.1:${port}/${database}`,
    sql: (statement, values = [], database = 'postgres') => ask(server.url(database, 'postgres'), statement, values),
    async start() {
      process = runServer(bin, data, folder, as)
      await answers(server, process)
    },
    async stop(mode) {
      await process?.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    },
    async kill() {
      // The shell between is killed last: by then nothing is left for it to end.
      for (const pid of pidsOf(data)) signalPid(pid, 'SIGKILL')
      await process?.ended
      rmSync(join(data, 'postmaster.pid'), { force: true })
    },
    signal(name) {
      for (const pid of pidsOf(data)) signalPid(pid, name)
    },
    async admit(...lines) {
      const file = join(data, 'pg_hba.conf')
      writeFileSync(file, [...lines, readFileSync(file, 'utf8')].join('\n'))
      await server.sql('select pg_reload_conf()')
    },
    async [Symbol.asyncDispose]() {
      await process?.end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    await server.start()
    await server.sql('create role oxbow login createdb')
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

function settings(folder: string, port: number, { durable = false, settings: more = [] }: ServerOptions): readonly string[] {
  return [
    `port = ${port}`,
    `listen_addresses = '127.0.0.1'`,
    `unix_socket_directories = '${folder}'`,
    'max_connections = 60',
    'shared_buffers = 64MB',
    'autovacuum_naptime = 5min',
    ...(durable ? [] : ['fsync = off', 'full_page_writes = off', 'max_wal_senders = 0', 'wal_level = minimal']),
    ...more,
  ]
}

/** PostgreSQL refuses to run as root: then it runs as its own user, who is made by its package. */
function serverOwner(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const id = (kind: string): number => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** A temporary folder that another account can come to: one of root alone has the server's own folder out of its reach. */
function placeForOthers(): string {
  const place = tmpdir()
  const canBeEntered = (folder: string): boolean =>
    (statSync(folder).mode & 0o001) !== 0 && (dirname(folder) === folder || canBeEntered(dirname(folder)))
  return canBeEntered(realpathSync(place)) ? place : '/tmp'
}

interface ServerProcess {
  readonly ended: Promise<void>
  readonly hasEnded: () => boolean
  end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>
}

function runServer(bin: string, data: string, folder: string, as: SpawnOptions): ServerProcess {
  // $1 the program, $2 its data, $3 the folder. A signal comes as a line; the end of input ends the server and its folder.
  const script = `"$1" -D "$2" >>"$3/data/log" 2>&1 <&- & pid=$!
    ( while read -r signal; do kill -s "$signal" $pid; done; touch "$3/data/over"; kill -s QUIT $pid ) <&0 & watch=$!
    wait $pid
    kill $watch 2>/dev/null; wait $watch 2>/dev/null
    if [ -e "$3/data/over" ]; then rm -rf "$3"; fi`
  const child: ChildProcess = spawn('bash', ['-c', script, 'oxbow-test-postgres', join(bin, 'postgres'), data, folder], {
    ...as,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      over = true
      child.stdin?.destroy()
      resolve()
    })
  })
  child.stdin?.on('error', () => {})
  return {
    ended,
    hasEnded: () => over,
    async end(signal) {
      if (!over) child.stdin?.write(`${signal.slice('SIG'.length)}\n`)
      await ended
    },
  }
}

async function answers(server: PostgresServer, running: ServerProcess): Promise<void> {
  const until = Date.now() + startMs
  for (;;) {
    const failure = await server.sql('select 1').then(
      () => null,
      (error: unknown) => error,
    )
    if (failure === null) return
    if (running.hasEnded() || Date.now() > until) {
      throw new Error(`PostgreSQL does not start: ${readFileSync(join(server.folder, 'data', 'log'), 'utf8').slice(-2_000)}`, {
        cause: failure,
      })
    }
    await new Promise((resolve) => void setTimeout(resolve, 20))
  }
}

async function ask<Row extends pg.QueryResultRow>(url: string, statement: string, values: readonly unknown[]): Promise<Row[]> {
  const { default: driver } = await import('pg')
  const client = new driver.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<Row>(statement, [...values])).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** The server and its children, by what it wrote down of itself. */
function pidsOf(data: string): readonly number[] {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return []
  const postmaster = Number(readFileSync(file, 'utf8').split('\n')[0])
  const children = existsSync(`/proc/${postmaster}/task`)
    ? readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
    : []
  return [postmaster, ...children]
}

function signalPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

export interface PostgresDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** Runs one statement in it, as superuser. */
  sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(statement: string, values?: readonly unknown[]): Promise<Row[]>
}

export interface SharedPostgres {
  server(): Promise<PostgresServer>
  /** An empty database that is dropped at the end of the `await using` block, whoever is still in it. */
  database(): Promise<PostgresDatabase>
}

interface Shared {
  users: number
  server: Promise<PostgresServer> | null
}

/** One for the process; test files share it by this module. */
const shared: Shared = { users: 0, server: null }

/** Call it once in a test file, outside of every test. The server starts with the first database. */
export function usePostgres(): SharedPostgres {
  shared.users++
  after(async () => {
    if (--shared.users > 0) return
    const last = shared.server
    shared.server = null
    // One that did not start has cleaned up, and failed the tests that wanted it.
    const server = await last?.catch(() => null)
    await server?.[Symbol.asyncDispose]()
  })
  const server = (): Promise<PostgresServer> => (shared.server ??= startPostgres())
  return {
    server,
    async database() {
      const running = await server()
      return createDatabase(running)
    },
  }
}

export async function createDatabase(server: PostgresServer): Promise<PostgresDatabase> {
  const name = `case_${crypto.randomUUID().replaceAll('-', '')}`
  await server.sql(`create database ${name} owner oxbow`)
  return {
    name,
    url: server.url(name),
    sql: (statement, values = []) => server.sql(statement, values, name),
    async [Symbol.asyncDispose]() {
      await server.sql(`drop database if exists ${name} with (force)`)
    },
  }
}
