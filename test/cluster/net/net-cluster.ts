/** Three machines with a node and a NATS server each, and two more with PostgreSQL and its standby, in a network of their own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program as ownProgram } from '../../support/built.ts'
import { startModel } from '../../support/model.ts'
import { patienceMs } from '../../support/patience.ts'
import { enrol, openHomes, startNode, type TestNode, until } from '../cluster-fixture.ts'
import { makeMember, type NatsMember } from './nats-member.ts'
import { type Machine, openNetwork, type TestNetwork } from './network.ts'
import { type OutsideService, startOutside } from './outside-service.ts'
import { type PostgresPair, startPair } from './postgres-pair.ts'

const doorPort = 7_700
const diskMb = 160
const postgresDiskMb = 1_500

export interface NetNode {
  readonly machine: Machine
  readonly nats: NatsMember
  /** Null while it is down. */
  node(): TestNode | null
  readonly door: string
  /** @param clockOffS seconds by which its clock is wrong */
  start(clockOffS?: number): Promise<void>
  /** Kills node and guests. */
  kill(): Promise<void>
}

export interface NetCluster extends AsyncDisposable {
  readonly network: TestNetwork
  readonly nodes: readonly NetNode[]
  readonly postgresMachines: readonly [Machine, Machine]
  readonly postgres: PostgresPair
  readonly outside: OutsideService
  /** Runs a verb on a machine. */
  oxbow(node: NetNode, ...words: readonly string[]): Promise<{ readonly exit: number; readonly text: string }>
  /** Where a user's guest is; null: nowhere, or nobody can say. */
  whereIs(user: string): Promise<NetNode | null>
  /** Adds a user whose agent may pay. @returns a key */
  addUser(user: string): Promise<string>
}

export interface NetChoice {
  readonly program?: string
  /** Lines of config.toml of a user, besides what all have. */
  readonly schedule?: boolean
}

/** A schedule that each user has. */
export const ticking = 'ticking'

/** Text that the model answers by paying. */
export const paying = 'please pay for '

export async function startNetCluster({ program = ownProgram }: NetChoice = {}): Promise<NetCluster> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-net-'))
  chmodSync(root, 0o755)
  await using undo = new AsyncDisposableStack()
  const network = undo.use(openNetwork(root))
  const machines = ['a', 'b', 'c'].map((name) => network.add(name, diskMb))
  const postgresMachines = [network.add('p', postgresDiskMb), network.add('q', postgresDiskMb)] as const
  const members = machines.map((machine) => makeMember(machine, machines))
  undo.defer(() => Promise.all(members.map((member) => member.signal('SIGKILL'))).then(() => {}))
  const [postgres] = await Promise.all([startPair(postgresMachines), ...members.map((member) => member.start())])
  undo.use(postgres)
  const outside = undo.use(await startOutside(network.ip, 100))
  const modelUrl = undo.use(await startAgentModel(network.ip)).url
  const homes = openHomes(root, (name) =>
    configOf(
      machines.find((machine) => machine.name === name)!,
      { modelUrl, outside, nats: members.map(({ url }) => url) },
    ),
  )
  const envOf = ({ name }: Machine): NodeJS.ProcessEnv => ({ ...homes(name), OXBOW_STORE_URL: postgres.url })
  const nodes = machines.map((machine, at) => makeNode(program, machine, members[at]!, envOf(machine)))
  undo.defer(() => Promise.all(nodes.map((node) => node.kill())).then(() => {}))
  const verbs = makeVerbs(program, nodes, envOf)
  let said = ''
  await until(
    async () => ({ text: said } = await verbs.oxbow(nodes[0]!, 'cluster', 'init')).exit === 0,
    () => said,
  )
  for (const { name } of machines) enrol(root, join(homes(name)['OXBOW_HOME']!, 'cluster'), name)
  await Promise.all(nodes.map((node) => node.start()))
  const owned = undo.move()
  return {
    network,
    nodes,
    postgresMachines,
    postgres,
    outside,
    ...verbs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The model of all agents: it pays where it is asked to. */
async function startAgentModel(ip: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const usage = { input: 3_000, output: 200 }
  const pay = { name: 'mcp_outside_pay', arguments: { what: '{{last}}' } }
  // A message that came along with others is answered after more than one step.
  const paid = Array.from({ length: 20 }, () => ({ events: [{ text: 'Paid.' }], usage }))
  const model = await startModel({
    turns: [
      { match: paying, steps: [{ match: paying, events: [{ delay_ms: 50 }, { tool_call: pay }], usage }, ...paid] },
      { steps: Array.from({ length: 20 }, () => ({ events: [{ delay_ms: 150 }, { text: 'Heard.' }], usage })) },
    ],
  })
  const modelUrl = new URL(model.config.base_url)
  const relayed = await relay(ip, Number(modelUrl.port))
  return {
    url: `http://${ip}:${modelUrl.port}${modelUrl.pathname}`,
    async [Symbol.asyncDispose]() {
      await relayed[Symbol.asyncDispose]()
      await model[Symbol.asyncDispose]()
    },
  }
}

interface Around {
  readonly modelUrl: string
  readonly outside: OutsideService
  readonly nats: readonly string[]
}

/** Lines of config.toml. */
function configOf(machine: Machine, { modelUrl, outside, nats }: Around): readonly string[] {
  return [
    '[model]',
    'provider = "openai"',
    `base_url = "${modelUrl}"`,
    '[memory]',
    'embedder = "none"',
    '[store]',
    // What a client was told must be on the standby, too.
    'durability = "full"',
    'pool = 4',
    '[agent]',
    'rights = ["mcp.outside"]',
    '[mcp.servers.outside]',
    `url = "${outside.url}"`,
    `allow = ["${outside.host}"]`,
    '[schedules]',
    'min_interval_s = 1',
    '[[schedule]]',
    `name = "${ticking}"`,
    'goal = "tick"',
    'cron = "*/5 * * * * *"',
    'context = "fresh"',
    '[cluster]',
    `nats = [${nats.map((url) => `"${url}"`).join(', ')}]`,
    'replicas = 3',
    `node = "${machine.name}"`,
    '[cluster.door]',
    `host = "${machine.ip}"`,
    `port = ${doorPort}`,
    'allow_plain = true',
    '[cluster.peer]',
    `host = "${machine.ip}"`,
  ]
}

function makeVerbs(
  program: string,
  nodes: readonly NetNode[],
  envOf: (machine: Machine) => NodeJS.ProcessEnv,
): Pick<NetCluster, 'oxbow' | 'whereIs' | 'addUser'> {
  const oxbow: NetCluster['oxbow'] = ({ machine }, ...words) => {
    const [first, ...rest] = [...machine.prefix, process.execPath, program, ...words]
    return new Promise((resolve) => {
      execFile(first!, rest, { env: envOf(machine), timeout: patienceMs }, (error, stdout, stderr) => {
        resolve({ exit: error === null ? 0 : Number(error.code ?? 99), text: stdout + stderr })
      })
    })
  }
  const whereIs = async (user: string): Promise<NetNode | null> => {
    for (const asked of nodes) {
      const { exit, text } = await oxbow(asked, 'cluster', 'where', user, '--json')
      if (exit !== 0) continue
      const { node, running } = JSON.parse(text) as { node: string; running: boolean }
      return running ? nodes.find(({ machine }) => machine.name === node)! : null
    }
    return null
  }
  return {
    oxbow,
    whereIs,
    async addUser(user) {
      const run = async (node: NetNode, ...words: readonly string[]): Promise<string> => {
        const { exit, text } = await oxbow(node, ...words)
        assert.equal(exit, 0, text)
        return text
      }
      await run(nodes[0]!, 'cluster', 'where', user, '--wake')
      const node = (await whereIs(user))!
      const { digest } = JSON.parse(await run(node, 'call', 'server.diff', '{"server":"outside"}', '--json', '--user', user)) as {
        digest: string
      }
      // Else what comes from outside keeps an agent from paying again until a person allows it.
      await run(node, 'call', 'server.approve', JSON.stringify({ server: 'outside', digest, no_sink: ['pay'] }), '--user', user)
      const made = await run(node, 'keys', 'create', 'load', '--right', 'user', '--user', user)
      return /oxbow_[\w-]+/.exec(made)![0]
    },
  }
}

function makeNode(program: string, machine: Machine, nats: NatsMember, env: NodeJS.ProcessEnv): NetNode {
  let running: TestNode | null = null
  const clock = join(machine.disk, 'clock')
  return {
    machine,
    nats,
    node: () => running,
    door: `http://${machine.ip}:${doorPort}`,
    async start(clockOffS = 0) {
      writeFileSync(clock, `${clockOffS >= 0 ? '+' : ''}${clockOffS}`)
      const faked = { LD_PRELOAD: clockLibrary, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
      running = await startNode(
        [program, 'cluster', 'join', '--json'],
        machine.name,
        { ...env, ...(clockOffS !== 0 && faked) },
        machine.prefix,
      )
    },
    async kill() {
      const killed = running
      running = null
      killed?.machine('SIGCONT')
      killed?.machine('SIGKILL')
      await killed?.ended
    },
  }
}

/** Debian's libfaketime: the clock of the day is off, and the monotonic one is not. */
export const clockLibrary = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

/** What listens on loopback alone, for the machines. */
async function relay(ip: string, port: number): Promise<AsyncDisposable> {
  const server = createServer((client) => {
    const onward = createConnection(port, '127.0.0.1')
    client.on('error', () => onward.destroy())
    onward.on('error', () => client.destroy())
    client.pipe(onward).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(port, ip, resolve))
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      await Promise.resolve()
    },
  }
}
