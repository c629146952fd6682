/** `oxbow cluster init`, `join`, `status`, `nodes`, `where`, `move`, `drain` and `remove`: what they ask of the keys in NATS, and say. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ClusterLink,
  foundCluster,
  type HandsNote,
  initCluster,
  joinCluster,
  linkFault,
  type LeaseNote,
  newestProtocol,
  type NodeIdentity,
  nodeName,
  nodeNameForm,
  type NodeView,
  openClusterLink,
  protocolVersion,
  readIdentity,
  revokedFrom,
  storeAddress,
  trustFolder,
} from '../../cluster/index.ts'
import { OxbowError, type UserId } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { beginSpare, loadConfig, openHome, openWorkspace, parseUser, usersFolder } from '../../runner/index.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { parseConfig } from '../../services/index.ts'
import { guestSetup } from '../guest-connection.ts'
import { onInterrupt } from '../input.ts'
import { clusterWaitMs, clusterPollMs } from '../limits.ts'
import { printAnswer, printLine, printList, printNotice, printPreview, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'

interface Options {
  readonly json?: boolean | undefined
}

/** @returns the configuration of this machine. @throws OxbowError `bad_config` */
export function machineConfig({ env }: Pick<Terminal, 'env'>): Config {
  const home = openHome(env)
  return loadConfig(home, openWorkspace(home, parseUser(defaultUser)))
}

/** @returns the folder with what this machine knows of its cluster */
export function ownTrust({ env }: Pick<Terminal, 'env'>): string {
  return trustFolder(openHome(env).root)
}

/** As this machine’s node. @throws OxbowError where the cluster cannot be reached */
export function openOwnLink(terminal: Terminal): Promise<ClusterLink> {
  return openClusterLink(machineConfig(terminal).cluster, readIdentity(ownTrust(terminal)))
}

async function withLink<Result>(terminal: Terminal, use: (link: ClusterLink) => Promise<Result>): Promise<Result> {
  const link = await openOwnLink(terminal)
  try {
    return await use(link)
  } catch (error) {
    throw linkFault(error)
  } finally {
    await link.close()
  }
}

export async function clusterInit(options: Options, terminal: Terminal): Promise<number> {
  const { cluster } = machineConfig(terminal)
  const folder = ownTrust(terminal)
  const identity: NodeIdentity = foundCluster(folder, nodeName(cluster), Date.now())
  await initCluster(cluster, identity)
  const text = [
    `The cluster is ready in NATS (copies: ${cluster.replicas}). This machine vouches for its nodes: keep a copy of ${folder}`,
    'Start the node of this machine: oxbow cluster join',
    'For each other machine, print a token while it runs: oxbow cluster invite',
  ]
  return printAnswer(
    { ready: true, replicas: cluster.replicas, node: identity.name, nkey: identity.nkey },
    text.join('\n'),
    options,
    terminal,
  )
}

/** The node of this machine, in the foreground. */
export async function clusterJoin(token: string | undefined, { json }: Options, terminal: Terminal): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
    onInterrupt(() => resolve())
  })
  const config = machineConfig(terminal)
  const { cluster, store, sandbox } = config
  const { root } = openHome(terminal.env)
  const rehearsal = parseConfig({ model: { provider: 'offline' }, memory: { embedder: 'none' } }, 'a rehearsal')
  const node = await joinCluster({
    config: cluster,
    tier: sandbox.allow_lower || sandbox.tier,
    machine: { config, folder: join(root, 'hands'), imageFolder: join(root, 'images') },
    folder: ownTrust(terminal),
    token: token ?? '',
    storeUrl: storeAddress({ config: store, environment: terminal.env as Readonly<Record<string, string>> }),
    version: terminal.version,
    setup: (user) => guestSetup({ user, isSafe: true }, terminal),
    begin: () => beginSpare(openHome(terminal.env), terminal.env, rehearsal, terminal.program),
    say: (text) => printNotice(terminal, `${new Date().toISOString()} ${plainText(text)}`),
  }).catch((error: unknown) => {
    throw linkFault(error)
  })
  if (json === true) printLine(terminal, JSON.stringify({ node: node.name, door: node.url, pid: process.pid }))
  else printLine(terminal, `node  ${node.name}\ndoor  ${node.url}\npid   ${process.pid}\nCtrl+C stops it; its guests move to other nodes.`)
  const removed = await Promise.race([stopped, node.removed])
  await node.close()
  if (removed !== undefined) throw removed
  return 0
}

export async function clusterStatus(options: Options, terminal: Terminal): Promise<number> {
  return withLink(terminal, async (link) => {
    const { nodes, leases } = await link.all()
    const up = nodes.filter(({ state, protocol }) => state === 'up' && protocol === protocolVersion)
    const room = up.reduce((sum, { capacity, guests }) => sum + Math.max(0, capacity - guests), 0)
    const value = { nodes: nodes.length, up: up.length, guests: leases.size, room }
    const lines = [
      `nodes   ${value.nodes}, ${value.up} of them up`,
      `guests  ${value.guests}`,
      `room    ${value.room}`,
      ...(up.length === 0 ? ['No node is up: start one with `oxbow cluster join`.'] : []),
    ]
    printAnswer(value, lines.join('\n'), options, terminal)
    return up.length === 0 ? 1 : 0
  })
}

export async function clusterNodes({ json }: Options, terminal: Terminal): Promise<number> {
  return withLink(terminal, async (link) => {
    const { nodes } = await link.all()
    const sorted = nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    return printList(sorted, { text: nodeTable, empty: 'No node is up: start one with `oxbow cluster join`.' }, { json }, terminal)
  })
}

function nodeTable(nodes: readonly NodeView[]): string {
  const rows = nodes.map(({ name, state, guests, capacity, hands = 0, hands_capacity: places = 0, freeMb, version, labels, door }) =>
    [name, state, `${guests}/${capacity}`, `${hands}/${places}`, `${freeMb} MB`, version, labels.join(' ') || '-', door].map(plainText),
  )
  return table([['node', 'state', 'guests', 'hands', 'free', 'version', 'labels', 'door'], ...rows])
}

export async function clusterWhere(
  asked: string,
  options: Options & { readonly wake?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const user = parseUser(asked)
  return withLink(terminal, async (link) => {
    let lease = await link.lease(user)
    if (options.wake === true) {
      const before = await link.place(user)
      await link.writePlace(user, { node: before?.node || filesAt(terminal, user), movesTo: '', isWanted: lease !== null, failure: '' })
      if (lease === null) await link.wake(user)
      for (let waitedMs = 0; lease?.state !== 'ready' && waitedMs < clusterWaitMs; waitedMs += clusterPollMs) {
        await sleep(clusterPollMs)
        lease = await link.lease(user)
        const failure = (await link.place(user))?.failure ?? ''
        if (failure !== '' && lease === null)
          throw new OxbowError('guest_unreachable', `The guest of ${user} does not start: ${failure}`, {
            hint: 'See the output of the node.',
          })
      }
    }
    const place = await link.place(user)
    const door = (await link.all()).nodes.find(({ name }) => name === lease?.node)?.door ?? null
    const [node, state] =
      lease === null ? [place?.node ?? '', place?.isAsleep === true ? 'asleep' : 'not running'] : [lease.node, lease.state]
    const value = {
      user,
      running: lease !== null,
      node,
      state,
      epoch: lease?.epoch ?? null,
      door,
      wakes_at: lease === null ? (place?.wakesAt ?? null) : null,
      failure: place?.failure ?? '',
    }
    const text =
      lease === null
        ? `${user} ${state === 'asleep' ? 'sleeps' : 'does not run'}${node === '' ? '' : `; it was on ${node} last`}.${describeRest(value)}`
        : `${user} runs on ${node} (${state}${describeTurn(lease)}, lease ${value.epoch}); any node leads there: ${value.door}/users/${user}/`
    return printAnswer(value, plainText(text), options, terminal)
  })
}

/** Of a guest that starts: a node starts a few at once. */
function describeTurn({ state, before = 0 }: LeaseNote): string {
  if (state !== 'starting' || before === 0) return ''
  return `: ${before} ${before === 1 ? 'guest was' : 'guests were'} to start before it`
}

/** @returns this node where it has files of a user whom no node has had: it makes them the cluster's. Empty: it has none */
function filesAt(terminal: Terminal, user: UserId): string {
  const shared = join(usersFolder(openHome(terminal.env)), user, 'shared')
  return existsSync(shared) && readdirSync(shared).length > 0 ? nodeName(machineConfig(terminal).cluster) : ''
}

/** What starts it again. */
function describeRest({
  user,
  state,
  failure,
  wakes_at: at,
}: Record<'user' | 'state' | 'failure', string> & { wakes_at: number | null }): string {
  if (state === 'asleep') return ` A message wakes it${at === null ? '' : `, and what is due at ${new Date(at).toISOString()}`}.`
  return `${failure === '' ? '' : `\nWhy: ${failure}`}\nStart it: oxbow cluster where ${user} --wake`
}

export async function clusterMove(name: string, node: string, options: Options, terminal: Terminal): Promise<number> {
  const user = parseUser(name)
  return withLink(terminal, async (link) => {
    const { protocol, state } = await nodeOf(link, node)
    if (state !== 'up')
      throw new OxbowError('bad_input', `${plainText(node)} is draining: it takes no guests.`, {
        hint: `Let it take some again (oxbow cluster drain ${plainText(node)} --undo), or choose another: oxbow cluster nodes`,
      })
    if (protocol < newestProtocol((await link.all()).nodes))
      throw new OxbowError('bad_input', `${plainText(node)} is of an older version than other nodes: it takes no guests.`, {
        hint: 'Upgrade it first, or choose another: oxbow cluster nodes',
      })
    const lease = await link.lease(user)
    if (lease === null) throw new OxbowError('not_found', `${user} does not run.`, { hint: `Start it: oxbow cluster where ${user} --wake` })
    if (lease.node !== node) await link.writeWish({ user }, { moveTo: node })
    let isThere = false
    await until(async () => {
      const now = await link.lease(user)
      isThere = now?.node === node && now.state === 'ready'
      return isThere || (now === null && ((await link.place(user))?.failure ?? '') !== '')
    })
    if (isThere) return printAnswer({ user, node }, `${user} runs on ${node}.`, options, terminal)
    const failure = (await link.place(user))?.failure ?? ''
    throw new OxbowError('timeout', `${user} does not run on ${node} yet${failure === '' ? '' : `: ${plainText(failure)}`}.`, {
      hint: `Look where it is: oxbow cluster where ${user}`,
    })
  })
}

export async function clusterDrain(
  node: string,
  options: Options & { readonly undo?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  return withLink(terminal, async (link) => {
    await nodeOf(link, node)
    if (options.undo === true) {
      await link.writeWish({ node }, null)
      return printAnswer({ node, draining: false }, `${node} takes guests again.`, options, terminal)
    }
    await link.writeWish({ node }, { drain: true })
    const drained = await until(async () => {
      const { nodes, leases } = await link.all()
      const own = nodes.find(({ name }) => name === node)
      return own?.state !== 'up' && (own?.guests ?? 0) === 0 && [...leases.values()].every((lease) => lease.node !== node)
    })
    if (drained)
      return printAnswer({ node, draining: true, guests: 0 }, `${node} has no guests any more, and takes none.`, options, terminal)
    throw new OxbowError('timeout', `${node} still has guests.`, { hint: 'It goes on; look again: oxbow cluster nodes' })
  })
}

export async function clusterRemove(
  node: string,
  options: Options & { readonly dryRun?: boolean | undefined; readonly force?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (!nodeNameForm.test(node))
    throw new OxbowError('bad_input', `${JSON.stringify(node)} cannot be the name of a node.`, {
      hint: 'It has up to 40 lower-case letters, digits and -.',
    })
  return withLink(terminal, async (link) => {
    const { nodes, leases } = await link.all()
    const isUp =
      nodes.some(({ name, state }) => name === node && state === 'up') || [...leases.values()].some((lease) => lease.node === node)
    if (isUp && options.force !== true)
      throw new OxbowError('bad_input', `${node} is up.`, {
        hint: `Drain it first, and end it: oxbow cluster drain ${node}. If its machine was taken over, revoke its certificate at once: oxbow cluster remove ${node} --force`,
      })
    if (options.dryRun === true) return printPreview({ would: `forget the node ${plainText(node)}`, target: { node } }, options, terminal)
    await link.revoke(node, revokedFrom(Date.now()))
    await link.removeNode(node)
    // A name that no node has had is not to be told from one that has left.
    const others = nodes.flatMap(({ name }) => (name === node ? [] : [name])).toSorted()
    const rest = others.length === 0 ? 'No node is up.' : `Nodes that stay, and are up: ${others.join(', ')}.`
    const taken = isUp ? ' It was up: leave its NKey out of the settings of NATS, and change the password of Postgres.' : ''
    const text = `${node} is forgotten, and a certificate of this name from before now does not hold any more.${taken}\n${rest}`
    return printAnswer({ node, removed: true, up: others }, plainText(text), options, terminal)
  })
}

/** @throws OxbowError `not_found` for a node that is not up */
async function nodeOf(link: ClusterLink, node: string): Promise<NodeView> {
  const { nodes } = await link.all()
  const found = nodes.find(({ name }) => name === node)
  if (found !== undefined) return found
  const up = nodes.map(({ name }) => name).join(', ') || 'none'
  throw new OxbowError('not_found', `No node ${plainText(node)} is up.`, { hint: `Nodes that are: ${up}.` })
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < clusterWaitMs; waitedMs += clusterPollMs) {
    if (await holds()) return true
    await sleep(clusterPollMs)
  }
  return false
}

/** @returns the hands that nodes have for agents of others, for `oxbow top --all` @throws OxbowError where NATS cannot be reached */
export async function handsOfCluster(terminal: Terminal): Promise<readonly HandsNote[]> {
  return withLink(terminal, async (link) => (await (await link.hands()).all()).toSorted((a, b) => a.since - b.since))
}

/** @param now in unix milliseconds @returns what `oxbow top --all` shows of hands on other nodes */
export function handsText(hands: readonly HandsNote[], now: number): string {
  if (hands.length === 0) return 'No agent has its hands on another node.'
  const rows = hands.map(({ user, branch, home, node, since }) => [
    plainLine(user, 30),
    plainLine(branch, 36),
    plainLine(home, 40),
    plainLine(node, 40),
    `${Math.max(0, Math.round((now - since) / 1_000))} s`,
  ])
  return table([['HANDS OF', 'BRANCH', 'AGENT ON', 'HANDS ON', 'FOR'], ...rows])
}
