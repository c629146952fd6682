/** A guest in this process, whose node asks others for hands, and those others as processes, each with a home of its own. A real NATS, real sandboxes. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/index.ts'
import { openNodeHands } from '../../src/cluster/hands/node-hands.ts'
import { initCluster, openClusterLink } from '../../src/cluster/nats-link.ts'
import { startNats } from '../../src/cluster/nats-fixture.ts'
import { foundCluster } from '../../src/cluster/trust/node-identity.ts'
import { agentTo } from '../../src/cluster/trust/node-requests.ts'
import { openRevocations } from '../../src/cluster/trust/revocations.ts'
import { configSchema } from '../../src/config/index.ts'
import { openElsewhere } from '../../src/sandbox/index.ts'
import { makeWorkbench, testBrowser, testLimits, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { enrol, until } from './cluster-fixture.ts'

export interface FarNode {
  readonly name: string
  readonly home: string
  readonly said: () => string
  readonly process: ChildProcess
  /** Files of a name below all branches that the node has. */
  branchFiles(name: string): readonly string[]
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface HandsCluster extends AsyncDisposable {
  readonly bench: Workbench
  /** Of the NATS server. */
  readonly natsPort: number
  startNode(name: string, hands: NodeChoice): Promise<FarNode>
}

interface NodeChoice {
  readonly capacity: number
  readonly labels?: readonly string[]
  /** All that reaches it, or that it reaches, goes through here. */
  readonly through?: { readonly nats: Passage; readonly door: Passage; readonly doorPort: number }
}

/** Bytes between a port of its own and another one, until they are held up: then connections stay, and nothing comes through. */
export interface Passage {
  readonly port: number
  isHeldUp: boolean
  close(): Promise<void>
}

export async function openPassage(to: number): Promise<Passage> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [from, onward] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => onward.destroy())
      from.once('close', () => !passage.isHeldUp && onward.destroy())
      from.on('data', (bytes) => !passage.isHeldUp && onward.write(bytes))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const passage: Passage = {
    port: (server.address() as AddressInfo).port,
    isHeldUp: false,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return passage
}

/** @returns why tests of hands on other nodes are skipped here; false where they run */
export function handsSkip(): string | false {
  for (const [name, word] of [
    ['nats-server', '--version'],
    ['bwrap', '--version'],
  ] as const)
    try {
      execFileSync(name, [word], { stdio: 'ignore' })
    } catch {
      return `no ${name} here: apt-get install nats-server bubblewrap`
    }
  return false
}

/** @returns where a machine of the test has what it knows of its cluster */
const trustOf = (machine: string): string => join(machine, 'oxbow', 'cluster')

export async function startHandsCluster(): Promise<HandsCluster> {
  await using made = new AsyncDisposableStack()
  const root = mkdtempSync(join(tmpdir(), 'oxbow-hands-'))
  made.defer(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
  const nats = made.use(await startNats())
  const identity = foundCluster(trustOf(join(root, 'home')), 'home', Date.now())
  await initCluster(nats.config, identity)
  const bench = made.use(await makeWorkbench())
  const link = await openClusterLink(nats.config, identity)
  made.defer(() => link.close())
  const hands = await openNodeHands({
    queue: await link.hands(),
    clock: systemClock,
    node: 'home',
    url: 'http://127.0.0.1:9',
    config: configSchema.parse({}).cluster,
    machine: { config: { sandbox: testLimits, browser: testBrowser }, folder: join(root, 'home-hands'), imageFolder: root },
    wire: (node) => ({ agent: agentTo(identity, node, openRevocations(trustOf(join(root, 'home')))) }),
    say: () => {},
  })
  made.defer(async () => {
    await hands.leave()
    await hands.close()
  })
  const elsewhere = openElsewhere({ path: (await hands.listen('ada', bench.root)).path, status: () => bench.sandbox.status })
  made.defer(() => elsewhere.close())
  Object.assign(bench.sandbox, { elsewhere })
  const nodes: FarNode[] = []
  made.defer(async () => void (await Promise.all(nodes.map((node) => node.stop('SIGKILL')))))
  const rest = made.move()
  return {
    bench,
    natsPort: nats.port,
    async startNode(name, { capacity, labels = [], through }) {
      enrol(root, trustOf(join(root, name)), name)
      const node = await startNode(join(root, name), name, [
        '[sandbox]',
        'memory_mb = 384',
        'max_processes = 96',
        '[cluster]',
        `nats = ["${through === undefined ? nats.url : `nats://127.0.0.1:${through.nats.port}`}"]`,
        `node = "${name}"`,
        `labels = ${JSON.stringify(labels)}`,
        '[cluster.hands]',
        `capacity = ${capacity}`,
        ...(through === undefined
          ? []
          : ['[cluster.peer]', `port = ${through.doorPort}`, `url = "https://127.0.0.1:${through.door.port}"`]),
      ])
      nodes.push(node)
      return node
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}

async function startNode(folder: string, name: string, config: readonly string[]): Promise<FarNode> {
  const home = join(folder, 'oxbow')
  mkdirSync(folder, { recursive: true })
  shareCompileCache(home)
  writeFileSync(join(home, 'config.toml'), [...config, ''].join('\n'))
  const env = { PATH: process.env['PATH'], HOME: folder, OXBOW_HOME: home, OXBOW_STORE_URL: 'postgres://nobody@127.0.0.1:1/none' }
  const child = spawn(process.execPath, [program, 'cluster', 'join', '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  let isOver = false
  void ended.then(() => (isOver = true))
  await until(
    () => out.includes('\n') || isOver,
    () => said,
  )
  assert.ok(!isOver, said)
  return {
    name,
    home,
    said: () => said,
    process: child,
    branchFiles(file) {
      try {
        return readdirSync(join(home, 'hands'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith(`/${file}`))
      } catch {
        // Nothing is there yet, or a part of it has just gone.
        return []
      }
    },
    async stop(signal = 'SIGTERM') {
      if (!isOver) child.kill('SIGCONT')
      if (!isOver) child.kill(signal)
      await ended
    },
  }
}

/** @returns the processes of this machine whose command line has these words */
export function processesWith(words: string): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words) ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}
