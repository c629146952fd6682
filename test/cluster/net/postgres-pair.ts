/** A PostgreSQL on two machines: one is written to, the other follows it synchronously and is promoted when the first is lost. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { until } from '../cluster-fixture.ts'
import type { Machine } from './network.ts'

const port = 5432

export interface PostgresPair extends AsyncDisposable {
  /** Names both: the one that accepts writes is used. */
  readonly url: string
  /** Files of what each primary has logged, oldest first: together they may be too long for a text. */
  readonly logs: readonly string[]
  sql<Row extends pg.QueryResultRow>(statement: string, values?: readonly unknown[]): Promise<Row[]>
  /** Kills the primary, promotes the standby, and has the former follow it. */
  failOver(): Promise<void>
  /** Kills one process that serves a client of the primary, as its memory running out does: the server starts anew. */
  killBackend(): Promise<void>
}

interface Member {
  readonly machine: Machine
  readonly data: string
  pid: number
}

interface Commands {
  run(member: Member, program: string, ...words: readonly string[]): void
  start(member: Member): Promise<void>
  /** The member copies another, follows it, and is waited for by each of its commits. */
  follow(member: Member, from: Member): Promise<void>
}

function makeCommands(bin: string, logs: string[]): Commands {
  const as = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups']
  const run = ({ machine, data }: Member, program: string, ...words: readonly string[]): void => {
    const [first, ...rest] = [...machine.prefix, ...as, join(bin, program), ...words]
    execFileSync(first!, rest, { cwd: join(data, '..'), stdio: ['ignore', 'ignore', 'pipe'], timeout: 120_000 })
  }
  const start = async (member: Member): Promise<void> => {
    const log = join(member.machine.disk, '..', `postgres-log-${logs.length}`)
    logs.push(log)
    rmSync(join(member.data, 'postmaster.pid'), { force: true })
    const child = member.machine.spawn(
      ['sh', '-c', `exec "$@" >>${log} 2>&1`, 'sh', ...as, join(bin, 'postgres'), '-D', member.data, '-k', ''],
      {
        cwd: join(member.data, '..'),
        stdio: 'ignore',
      },
    )
    member.pid = child.pid!
    await until(
      async () => (await ask(member, 'select 1').catch(() => null)) !== null,
      () => readFileSync(log, 'utf8').slice(-2_000),
    )
  }
  const follow = async (member: Member, from: Member): Promise<void> => {
    rmSync(member.data, { recursive: true, force: true })
    run(
      member,
      'pg_basebackup',
      '-h',
      from.machine.ip,
      '-p',
      String(port),
      '-U',
      'postgres',
      '-D',
      member.data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
    )
    await start(member)
    await setSynchronous(from, '*')
    await until(
      async () => (await ask<{ n: number }>(from, `select count(*)::int n from pg_stat_replication where sync_state = 'sync'`))[0]!.n > 0,
    )
  }
  const setSynchronous = async (member: Member, names: string): Promise<void> => {
    appendFileSync(join(member.data, 'postgresql.auto.conf'), `synchronous_standby_names = '${names}'\n`)
    await ask(member, 'select pg_reload_conf()')
  }
  return { run, start, follow }
}

export async function startPair(machines: readonly [Machine, Machine]): Promise<PostgresPair> {
  const bin = serverFolder()
  const owner = { uid: numberOf('-u'), gid: numberOf('-g') }
  const members = machines.map((machine): Member => {
    const home = join(machine.disk, 'postgres')
    mkdirSync(home)
    chownSync(home, owner.uid, owner.gid)
    return { machine, data: join(home, 'data'), pid: 0 }
  })
  const logs: string[] = []
  const { run, start, follow } = makeCommands(bin, logs)
  let [primary, standby] = members as [Member, Member]
  run(primary, 'initdb', '-D', primary.data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync')
  appendFileSync(join(primary.data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`)
  appendFileSync(join(primary.data, 'pg_hba.conf'), 'host all all 10.0.0.0/8 trust\nhost replication all 10.0.0.0/8 trust\n')
  await start(primary)
  await ask(primary, 'create role oxbow login')
  await ask(primary, 'create database oxbow owner oxbow')
  await follow(standby, primary)
  return {
    url: `postgres://oxbow@${machines.map(({ ip }) => `${ip}:${port}`).join(',')}/oxbow`,
    logs,
    sql: (statement, values = []) => ask(primary, statement, values, 'oxbow'),
    async failOver() {
      const lost = primary
      for (const pid of processesOf(lost)) kill(pid)
      await until(() => !existsSync(`/proc/${lost.pid}`))
      appendFileSync(join(standby.data, 'postgresql.auto.conf'), `synchronous_standby_names = ''\n`)
      await ask(standby, 'select pg_reload_conf()')
      await ask(standby, 'select pg_promote()')
      ;[primary, standby] = [standby, lost]
      await follow(lost, primary)
    },
    async killBackend() {
      const [busy] = await ask<{ pid: number }>(
        primary,
        `select pid from pg_stat_activity where usename = 'oxbow' order by random() limit 1`,
      )
      if (busy !== undefined) kill(busy.pid)
      await until(async () => (await ask(primary, 'select 1').catch(() => null)) !== null)
    },
    async [Symbol.asyncDispose]() {
      for (const member of members) for (const pid of processesOf(member)) kill(pid)
      await Promise.resolve()
    },
  }
}

const settings: readonly string[] = [
  `listen_addresses = '*'`,
  `port = ${port}`,
  'max_connections = 120',
  'shared_buffers = 32MB',
  'wal_level = replica',
  'max_wal_senders = 5',
  'max_wal_size = 64MB',
  'min_wal_size = 32MB',
  'fsync = off',
  `wal_sender_timeout = 5s`,
  `wal_receiver_timeout = 5s`,
  'wal_retrieve_retry_interval = 200ms',
  'tcp_keepalives_idle = 5',
  'tcp_keepalives_interval = 2',
  'tcp_keepalives_count = 3',
  'log_statement = all',
  `log_line_prefix = '%p|'`,
]

async function ask<Row extends pg.QueryResultRow>(
  { machine }: Member,
  statement: string,
  values: readonly unknown[] = [],
  database = 'postgres',
): Promise<Row[]> {
  const client = new pg.Client({ host: machine.ip, port, user: 'postgres', database, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<Row>(statement, [...values])).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** The server and its children. */
function processesOf({ pid }: Member): readonly number[] {
  try {
    return [pid, ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)]
  } catch {
    return []
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

const numberOf = (kind: string): number => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }))

function serverFolder(): string {
  const root = '/usr/lib/postgresql'
  const [newest] = readdirSync(root).sort((a, b) => Number(b) - Number(a))
  return join(root, newest!, 'bin')
}
