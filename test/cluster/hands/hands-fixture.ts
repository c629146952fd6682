/** A guest in this process, whose node asks others for hands, and those others as processes, each with a home of its own. A real NATS, real sandboxes. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createServer as createSite, type RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JsonObject, type SessionId, systemClock } from '../../../src/base/index.ts'
import { openNodeHands } from '../../../src/cluster/hands/node-hands.ts'
import { initCluster, openClusterLink } from '../../../src/cluster/nats-link.ts'
import { startNats } from '../../../src/cluster/nats-fixture.ts'
import { foundCluster } from '../../../src/cluster/trust/node-identity.ts'
import { agentTo } from '../../../src/cluster/trust/node-requests.ts'
import { openRevocations } from '../../../src/cluster/trust/revocations.ts'
import { configSchema, type DefinitionText, type HostPort } from '../../../src/config/index.ts'
import { asks, type Fixture, openFixture, says } from '../../../src/kernel/kernel-fixture.ts'
import { type EgressProxy, openEgress, openEgressProxy, openElsewhere } from '../../../src/sandbox/index.ts'
import { makeWorkbench, testBrowser, testLimits, type Workbench } from '../../../src/sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../../src/tools/index.ts'
import { program } from '../../support/built.ts'
import { shareCompileCache } from '../../support/compile-cache.ts'
import { enrol, until } from '../cluster-fixture.ts'

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
  /** Of the guest. */
  readonly proxy: EgressProxy
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

/** @param allow hosts that commands of the guest may reach */
export async function startHandsCluster(allow: readonly string[] = []): Promise<HandsCluster> {
  await using made = new AsyncDisposableStack()
  const root = mkdtempSync(join(tmpdir(), 'oxbow-hands-'))
  made.defer(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
  const nats = made.use(await startNats())
  const identity = foundCluster(trustOf(join(root, 'home')), 'home', Date.now())
  await initCluster(nats.config, identity)
  const proxy = openEgressProxy(configSchema.parse({ egress: { allow } }).egress, join(root, 'egress'))
  made.defer(() => proxy.close())
  const bench = made.use(await makeWorkbench({ egressSocket: proxy.socket }))
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
  const { path } = await hands.listen('ada', bench.root)
  const elsewhere = openElsewhere({ path, status: () => bench.sandbox.status, proxy })
  made.defer(() => elsewhere.close())
  Object.assign(bench.sandbox, { elsewhere })
  const nodes: FarNode[] = []
  made.defer(async () => void (await Promise.all(nodes.map((node) => node.stop('SIGKILL')))))
  const rest = made.move()
  return {
    bench,
    proxy,
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

export interface Site extends AsyncDisposable {
  /** Address and port. */
  readonly host: string
  readonly asked: readonly string[]
}

/** On this machine, for commands with network. */
export async function openSite(answer: RequestListener): Promise<Site> {
  const asked: string[] = []
  const server = createSite((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
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

// A guest in this process, whose agents have their hands there.

const rights = ['file.read', 'file.write', 'shell.run', 'shell.network']

function builder(name: string, hands: string): DefinitionText {
  const toml = `description = "Builds."\nrights = ${JSON.stringify(rights)}\nfiles = "branch"\nhands = ${hands}`
  return { kind: 'agents', name, toml, text: 'Build.', problem: '' }
}

/** What is said of a child that has ended. */
export interface Ended {
  readonly status: string
  readonly code: string
  readonly branch: string
  readonly session: SessionId
  readonly text: string
}

export type Step = readonly [name: string, args: object]
export const runs = (command: string): Step => ['shell_exec', { command }]

/** @param steps what each child does, by a word of its goal @param ask calls that a person is asked about */
export async function openGuest(
  { bench, proxy }: HandsCluster,
  steps: Readonly<Record<string, readonly Step[]>>,
  { elsewhere = ['builder', 'gpu'], onStep = (_name: string): void => {}, ask = [] as readonly string[] } = {},
): Promise<Fixture> {
  const { egress } = configSchema.parse({})
  return openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls(
      { files: true, shell: true, profiles: ['work', 'online'] },
      { egress: await openEgress(egress), robots: 'ignore', proxy },
    ),
    config: {
      agent: { rights: [...rights, 'agent.spawn'] },
      approval: { privileged: 'allow', calls: Object.fromEntries(ask.map((name) => [name, 'ask'])) },
      flow: { untrusted: 'allow', irreversible: 'allow', new_host: 'allow' },
      agents: { elsewhere },
    },
    host: { definitions: async () => [builder('builder', '"anywhere"'), builder('gpu', '["gpu"]')] } as unknown as HostPort,
    play: ({ messages }) => {
      const said = JSON.stringify(messages[0])
      const word = Object.keys(steps).find((each) => said.includes(each))!
      const step = steps[word]![(messages.length - 1) / 2]
      if (step !== undefined) onStep(step[0])
      return step === undefined ? says(`It said: ${JSON.stringify(messages.filter(({ role }) => role === 'tool'))}`) : asks(step)
    },
  })
}

export async function outputOf<Output>(guest: Fixture, call: string, input: JsonObject): Promise<Output> {
  const ended = await guest.kernel.call(call, input, guest.session)
  assert.equal(ended.status, 'ok', ended.text)
  return (ended as unknown as { output: Output }).output
}

/** A child that works alone. */
export function delegated(guest: Fixture, agent: string, goal: string): Promise<Ended> {
  return outputOf(guest, 'agent.delegate', { agent, goal })
}
