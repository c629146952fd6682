/** A cluster on this machine: one NATS server, one PostgreSQL, and nodes as processes, each with a home of its own as if it were a machine. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { natsSkip, startNats } from '../../src/cluster/nats-fixture.ts'
import { createDatabase, type PostgresDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { program as ownProgram } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { startModel } from '../support/model.ts'
import { patienceMs } from '../support/patience.ts'

/** Why tests of clusters are skipped here; false where they run. */
export function clusterSkip(): string | false {
  return natsSkip() || postgresSkip()
}

export interface TestNode {
  readonly name: string
  readonly door: string
  readonly said: { text: string }
  readonly env: NodeJS.ProcessEnv
  /** The process of a user's guest on this machine; null: none runs. */
  guestPid(user: string): number | null
  /** Sends a signal to the node and all its guests, as if the machine stopped, went on, or lost power. */
  machine(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL', which?: 'node' | 'guests'): void
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export interface TestCluster extends AsyncDisposable {
  readonly database: PostgresDatabase
  readonly postgresLog: () => string
  readonly env: (name: string) => NodeJS.ProcessEnv
  startNode(name: string): Promise<TestNode>
  /** Runs a verb with the home of a node. */
  oxbow(name: string, ...words: readonly string[]): Promise<{ readonly exit: number; readonly text: string }>
  /** A key of a user for programs, made where their guest runs. */
  keyOf(user: string): Promise<string>
}

export interface ClusterChoice {
  /** `oxbow` to run; default: of this checkout. */
  readonly program?: string
  /** How long the model takes to answer. */
  readonly answerMs?: number
}

export async function startCluster({ program = ownProgram, answerMs = 50 }: ClusterChoice = {}): Promise<TestCluster> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-cluster-'))
  // Statements in the log tell afterwards who has written what, in order.
  const postgres = await startPostgres({ settings: ['log_statement = all', `log_line_prefix = '%p|'`, 'max_connections = 100'] })
  const database = await createDatabase(postgres)
  const nats = await startNats()
  const model = await startModel({ turns: [{ steps: [{ events: [{ delay_ms: answerMs }, { text: 'Heard: {{last}}' }] }] }] })
  const nodes: TestNode[] = []
  const homes = openHomes(root, [
    '[model]',
    `provider = "openai"`,
    `base_url = "${model.config.base_url}"`,
    '[memory]',
    'embedder = "none"',
    '[cluster]',
    `nats = ["${nats.url}"]`,
  ])
  const envOf = (name: string): NodeJS.ProcessEnv => ({ ...homes(name), OXBOW_STORE_URL: database.url })
  const oxbow: TestCluster['oxbow'] = (name, ...words) =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...words], { env: envOf(name), timeout: patienceMs }, (error, stdout, stderr) => {
        resolve({ exit: error === null ? 0 : Number(error.code ?? 99), text: stdout + stderr })
      })
    })
  return {
    database,
    postgresLog: () => readFileSync(join(postgres.folder, 'data', 'log'), 'utf8'),
    env: envOf,
    oxbow,
    async startNode(name) {
      const node = await startNode(program, name, envOf(name))
      nodes.push(node)
      return node
    },
    async keyOf(user) {
      const where = JSON.parse((await oxbow(nodes[0]!.name, 'cluster', 'where', user, '--json')).text) as { node: string }
      const made = await oxbow(
        where.node,
        'keys',
        'create',
        `key${Math.random().toString(36).slice(2, 8)}`,
        '--right',
        'user',
        '--user',
        user,
      )
      const [key] = /oxbow_[\w-]+/.exec(made.text) ?? []
      assert.ok(key !== undefined, made.text)
      return key
    },
    async [Symbol.asyncDispose]() {
      for (const node of nodes) node.machine('SIGCONT')
      await Promise.all(nodes.map((node) => node.stop()))
      await nats[Symbol.asyncDispose]()
      await model[Symbol.asyncDispose]()
      await postgres[Symbol.asyncDispose]()
      rmSync(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** @returns the environment of each machine, by its name; its home is made with the first use */
function openHomes(root: string, config: readonly string[]): (name: string) => NodeJS.ProcessEnv {
  return (name) => {
    const home = join(root, name, 'oxbow')
    const file = join(home, 'config.toml')
    if (!existsSync(file)) {
      mkdirSync(join(root, name), { recursive: true })
      shareCompileCache(home)
      writeFileSync(file, [...config, `node = "${name}"`, ''].join('\n'))
    }
    return { PATH: process.env['PATH'], HOME: join(root, name), OXBOW_HOME: home, OPENAI_API_KEY: 'test' }
  }
}

async function startNode(program: string, name: string, env: NodeJS.ProcessEnv): Promise<TestNode> {
  const child = spawn(process.execPath, [program, 'cluster', 'join', '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { text: '' }
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.text += chunk.toString()))
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  let isOver = false
  void ended.then(() => (isOver = true))
  await until(
    () => out.includes('\n') || isOver,
    () => said.text,
  )
  assert.ok(!isOver, said.text)
  const { door } = JSON.parse(out) as { door: string }
  const users = join(env['OXBOW_HOME']!, 'users')
  const guestPid = (user: string): number | null => {
    try {
      const { pid } = JSON.parse(readFileSync(join(users, user, 'ipc', 'gateway.json'), 'utf8')) as { pid: number }
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('serve') ? pid : null
    } catch {
      return null
    }
  }
  const signal = (pid: number | null | undefined, sent: NodeJS.Signals): void => {
    try {
      if (pid !== null && pid !== undefined) process.kill(pid, sent)
    } catch {
      // It has ended.
    }
  }
  return {
    name,
    door,
    said,
    env,
    guestPid,
    machine(sent, which) {
      if (which !== 'guests' && !isOver) signal(child.pid, sent)
      if (which === 'node') return
      for (const user of namesIn(users)) signal(guestPid(user), sent)
    },
    ended,
    async stop() {
      if (!isOver) child.kill('SIGTERM')
      await Promise.race([ended, sleep(20_000, undefined, { ref: false })])
      if (!isOver) child.kill('SIGKILL')
      await ended
      for (const user of namesIn(users)) signal(guestPid(user), 'SIGKILL')
    },
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

export async function until(holds: () => boolean | Promise<boolean>, describe: () => string = () => String(holds)): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end;) {
    if (await holds()) return
    await sleep(25)
  }
  assert.fail(`not in ${patienceMs / 1_000} s: ${describe()}`)
}

/** A message that is sent until it is acknowledged, with the same key each time. @returns what acknowledged it */
export async function send(
  doors: () => readonly string[],
  key: string,
  { user, text, session }: { readonly user: string; readonly text: string; readonly session?: string },
): Promise<{ readonly session: string; readonly tries: number }> {
  const once = crypto.randomUUID()
  let last = ''
  const began = performance.now()
  for (let tries = 1; performance.now() - began < patienceMs; tries += 1) {
    const all = doors()
    const door = all[tries % all.length]!
    try {
      const response = await fetch(`${door}/users/${user}/api/v1/${session === undefined ? '' : `sessions/${session}/`}messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async', 'idempotency-key': once },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(35_000),
      })
      const body = await response.text()
      if (response.ok) return { session: (JSON.parse(body) as { session: string }).session, tries }
      last = `${response.status} ${body}`
      assert.ok([409, 429, 502, 503, 504].includes(response.status), last)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      last = String((error as Error).cause ?? error)
    }
    await sleep(100)
  }
  throw new Error(`never acknowledged: ${last}`)
}
