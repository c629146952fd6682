/** A cluster on this machine: one NATS server, one PostgreSQL, and nodes as processes, each with a home of its own as if it were a machine. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../../src/engine/index.ts'
import { freePort, natsSkip, type NatsServer, startNats } from '../../src/cluster/nats-fixture.ts'
import { issueCertificate } from '../../src/cluster/trust/certificates.ts'
import { makeNode, readAuthority, readIdentity, writeIdentity } from '../../src/cluster/trust/node-identity.ts'
import { keepSealKey, makeSealKey } from '../../src/cluster/trust/seal-key.ts'
import { createDatabase, type PostgresDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { program as ownProgram } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import type { ClusterConfig } from '../../src/config/index.ts'
import { startModel } from '../support/model.ts'
import { patienceMs } from '../support/patience.ts'

/** Why tests of clusters are skipped here; false where they run. */
export function clusterSkip(): string | false {
  return natsSkip() || postgresSkip()
}

export interface TestNode {
  readonly name: string
  readonly pid: number
  readonly door: string
  readonly said: { text: string }
  readonly env: NodeJS.ProcessEnv
  /** How many guests run on this machine. */
  guests(): number
  /** The process of a user's guest on this machine; null: none runs. */
  guestPid(user: string): number | null
  /** Where a user's files are. */
  shared(user: string): string
  /** Its disk is lost, for a machine that has lost power. */
  wipe(): void
  /** Sends a signal to the node and all its guests, as if the machine stopped, went on, or lost power. */
  machine(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL', which?: 'node' | 'guests'): void
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export interface TestCluster extends AsyncDisposable {
  readonly database: PostgresDatabase
  readonly nats: NatsServer
  readonly postgresLog: () => string
  /** Of a machine of the cluster. */
  readonly clusterConfig: ClusterConfig
  readonly env: (name: string) => NodeJS.ProcessEnv
  /** @param token with which the machine joins; absent: it has a certificate without one */
  startNode(name: string, token?: string, program?: string): Promise<TestNode>
  /** Runs a verb with the home of a node. */
  oxbow(name: string, ...words: readonly string[]): Promise<{ readonly exit: number; readonly text: string }>
  /** A key of a user for programs, made where their guest runs. */
  keyOf(user: string, right?: string): Promise<string>
}

export interface ClusterChoice {
  /** `oxbow` to run; default: of this checkout. */
  readonly program?: string
  /** How long the model takes to answer. */
  readonly answerMs?: number
  /** Further lines of `[cluster]`. */
  readonly cluster?: readonly string[] | ((name: string) => readonly string[])
  /** What the model does with messages that match; it repeats all others. */
  readonly turns?: Scenario['turns']
  /** All that it answers, in place of these. */
  readonly script?: Scenario
  /** Of a model that runs already, instead of one that repeats what it hears. */
  readonly modelUrl?: string
  /** @returns the address at which the nodes reach the database, in place of its own */
  readonly storeUrl?: (direct: string) => string
  /** Lines of the configuration of every machine, before `[cluster]`. */
  readonly sections?: readonly string[]
  /** More of the environment of all nodes. */
  readonly env?: NodeJS.ProcessEnv
  /** NATS takes nodes with a certificate of the cluster alone. */
  readonly natsTls?: boolean
}

export async function startCluster({
  program = ownProgram,
  answerMs = 50,
  turns = [],
  sections = [],
  cluster = [],
  natsTls = false,
  ...choice
}: ClusterChoice = {}): Promise<TestCluster> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-cluster-'))
  // Statements in the log tell afterwards who has written what, in order.
  const postgres = await startPostgres({ settings: ['log_statement = all', `log_line_prefix = '%p|'`, 'max_connections = 100'] })
  const database = await createDatabase(postgres)
  const natsPort = await freePort()
  const repeats: Scenario = { turns: [...turns, { steps: [{ events: [{ delay_ms: answerMs }, { text: 'Heard: {{last}}' }] }] }] }
  const model = await startModel(choice.script ?? repeats)
  const nodes: TestNode[] = []
  const homes = openHomes(root, (name) => [
    '[model]',
    `provider = "openai"`,
    `base_url = "${choice.modelUrl ?? model.config.base_url}"`,
    '[memory]',
    'embedder = "none"',
    ...sections,
    '[cluster]',
    `nats = ["${natsTls ? 'tls' : 'nats'}://127.0.0.1:${natsPort}"]`,
    `node = "${name}"`,
    ...(typeof cluster === 'function' ? cluster(name) : cluster),
  ])
  const envOf = (name: string): NodeJS.ProcessEnv => ({
    ...homes(name),
    ...choice.env,
    OXBOW_STORE_URL: choice.storeUrl?.(database.url) ?? database.url,
  })
  const oxbow: TestCluster['oxbow'] = (name, ...words) =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...words], { env: envOf(name), timeout: patienceMs }, (error, stdout, stderr) => {
        resolve({ exit: error === null ? 0 : Number(error.code ?? 99), text: stdout + stderr })
      })
    })
  const nats = await startNats({ port: natsPort, ...(natsTls && { settings: await natsSettings(root, oxbow), scheme: 'tls' }) })
  return {
    database,
    nats,
    clusterConfig: nats.config,
    postgresLog: () => readFileSync(join(postgres.folder, 'data', 'log'), 'utf8'),
    env: envOf,
    oxbow,
    async startNode(name, token, other = program) {
      if (token === undefined) enrol(root, join(envOf(name)['OXBOW_HOME']!, 'cluster'), name)
      const node = await startNode([other, 'cluster', 'join', ...(token === undefined ? [] : [token]), '--json'], name, envOf(name))
      nodes.push(node)
      return node
    },
    keyOf: (user, right = 'user') => keyOf(oxbow, nodes[0]!.name, user, right),
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

/** Where guests with nothing to do end soon, one may have ended before its key is made: it is woken once more. */
async function keyOf(oxbow: TestCluster['oxbow'], asked: string, user: string, right: string): Promise<string> {
  const name = `key${Math.random().toString(36).slice(2, 8)}`
  for (let tries = 0; ; tries++) {
    const where = JSON.parse((await oxbow(asked, 'cluster', 'where', user, '--wake', '--json')).text) as { node: string }
    const made = await oxbow(where.node, 'keys', 'create', name, '--right', right, '--user', user)
    const [key] = /oxbow_[\w-]+/.exec(made.text) ?? []
    if (key !== undefined) return key
    assert.ok(tries < 5 && made.text.includes('does not run on it'), made.text)
  }
}

async function natsSettings(root: string, oxbow: TestCluster['oxbow']): Promise<string> {
  const folder = join(root, 'nats')
  assert.equal((await oxbow('a', 'cluster', 'nats', folder)).exit, 0)
  return join(folder, 'oxbow-tls.conf')
}

/** As a token does it (`door-trust.full.test.ts`), but without the time that starting programs takes. */
export function enrol(root: string, folder: string, name: string): void {
  if (readIdentity(folder) !== null) return
  const first = readdirSync(root)
    .map((machine) => join(root, machine, 'oxbow', 'cluster'))
    .find((each) => readAuthority(each) !== null)
  assert.ok(first !== undefined, 'oxbow cluster init has run on a machine')
  const authority = readAuthority(first)!
  keepSealKey(folder, makeSealKey(first))
  const made = makeNode()
  writeIdentity(folder, made, { cert: issueCertificate(authority, { name, publicKey: made.publicKey }, Date.now()), ca: authority.cert })
}
/** Of what a node says, the end is kept: it may run for days. */
const maxSaidChars = 200_000

/** @returns the environment of each machine, by its name; its home is made with the first use */
export function openHomes(root: string, config: (name: string) => readonly string[]): (name: string) => NodeJS.ProcessEnv {
  return (name) => {
    const home = join(root, name, 'oxbow')
    const file = join(home, 'config.toml')
    if (!existsSync(file)) {
      mkdirSync(join(root, name), { recursive: true })
      shareCompileCache(home)
      writeFileSync(file, [...config(name), ''].join('\n'))
    }
    return { PATH: process.env['PATH'], HOME: join(root, name), OXBOW_HOME: home, OPENAI_API_KEY: 'test' }
  }
}

/** @param prefix goes before the command, as one that runs it elsewhere */
export async function startNode(
  words: readonly string[],
  name: string,
  env: NodeJS.ProcessEnv,
  prefix: readonly string[] = [],
): Promise<TestNode> {
  const [first, ...rest] = [...prefix, process.execPath, ...words]
  const child = spawn(first!, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { text: '' }
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.text = (said.text + chunk.toString()).slice(-maxSaidChars)))
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  let isOver = false
  void ended.then(() => (isOver = true))
  try {
    await until(
      () => out.includes('\n') || isOver,
      () => said.text,
    )
    assert.ok(!isOver, said.text)
  } catch (error) {
    // Else the next try finds its port taken.
    child.kill('SIGKILL')
    await ended
    throw error
  }
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
    pid: child.pid!,
    door,
    guests: () => namesIn(users).filter((user) => guestPid(user) !== null).length,
    said,
    env,
    guestPid,
    shared: (user) => join(users, user, 'shared'),
    wipe: () => rmSync(users, { recursive: true, force: true, maxRetries: 5 }),
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
