/**
 * Leads a request to the guest of its user: bytes go to the guest where it is on this node, else to the door for nodes of the node that has it.
 * Where nobody has the guest, it is woken, and the request waits.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Agent } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createProxyServer, type ProxyServer, type ProxyServerOptions } from 'httpxy'
import { doorCheckMs, doorWaitMs, maxWaitingOfUser, maxWaitingRequests, wakeAgainMs } from '../limits.ts'
import type { ClusterNode } from '../node.ts'
import type { LeaseNote } from '../notes.ts'
import { type DoorAnswers, refusal, userHeader } from './door-answers.ts'

interface Target {
  readonly url: string
  readonly node: string
  readonly user: string
  /** The guest is on this node. */
  readonly isHere: boolean
}

/** A request or the start of a WebSocket, and whom it is for. */
export interface Visit {
  readonly request: IncomingMessage
  readonly user: string
  /** By another door: it is not forwarded once more. */
  readonly isForwarded: boolean
  /** Before anybody waits for a guest, or has one started. @throws OxbowError for whoever may not */
  admit(): Promise<void>
}

export interface Forwarding {
  web(visit: Visit, response: ServerResponse): Promise<void>
  ws(visit: Visit, socket: Duplex, head: Buffer): Promise<void>
  /** @returns how many requests and terminals of a user go to a guest on this machine */
  underWay(user: string): number
  close(): void
}

interface ForwardingDeps {
  readonly answers: DoorAnswers
  /** Null: it is starting. */
  readonly node: () => ClusterNode | null
  /** Connections to the door for nodes of another node. */
  readonly agentTo: (node: string) => Agent
}

export function createForwarding({ node, agentTo, answers }: ForwardingDeps): Forwarding {
  const forwards = createForwards(node)
  const proxy = openProxy(forwards, answers)
  let waiting = 0
  const waitingOf = new Map<string, number>()
  /** @param back to whoever asks: who has gone waits no more @returns null: nobody waits for an answer */
  const lead = async (visit: Visit, back: Duplex | ServerResponse): Promise<Target | null> => {
    const target = await find(visit, back)
    // What has closed would never say so again: it would count as under way for ever.
    return back.destroyed ? null : target
  }
  const find = async (visit: Visit, back: Duplex | ServerResponse): Promise<Target> => {
    const opened = node()
    if (opened === null) throw refusal('guest_unreachable', 'This node is starting.', 'Try again in a moment.')
    const known = readyTarget(opened, visit)
    if (known !== null) return known
    await visit.admit()
    const { user } = visit
    const own = waitingOf.get(user) ?? 0
    if (waiting >= maxWaitingRequests || own >= maxWaitingOfUser)
      throw refusal('limit_reached', 'Too many requests wait for guests here.', 'Try again in a moment.', 1)
    waiting += 1
    waitingOf.set(user, own + 1)
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    back.once('close', leave)
    if (back.destroyed) leave()
    try {
      // The node may begin again meanwhile.
      return await waitForTarget(() => node() ?? opened, visit, gone.signal)
    } finally {
      back.off('close', leave)
      waiting -= 1
      const left = (waitingOf.get(user) ?? 0) - 1
      if (left > 0) waitingOf.set(user, left)
      else waitingOf.delete(user)
    }
  }
  const optionsFor = (target: Target, request: IncomingMessage): ProxyServerOptions => {
    const { url, user, isHere } = target
    // The guest serves the host that its address names, and pages from there: where they come from, the first door has checked.
    if (isHere) return { target: url, changeOrigin: true, headers: request.headers.origin === undefined ? {} : { origin: url } }
    return { target: url, agent: agentTo(target.node), headers: { [userHeader]: encodeURIComponent(user) } }
  }
  return {
    async web(visit, response) {
      const target = await lead(visit, response)
      if (target === null) return
      const { request } = visit
      removeHops(request.headers)
      await forward(proxy, forwards, { request, response, target, options: optionsFor(target, request), answers })
    },
    async ws({ request, ...visit }, socket, head) {
      const target = await lead({ request, ...visit }, socket)
      if (target === null) return
      removeHops(request.headers)
      // The guest would wait for a content that nobody sends on.
      for (const name of ['content-length', 'transfer-encoding']) delete request.headers[name]
      const done = forwards.add(target, () => socket.destroy())
      socket.once('close', done)
      await proxy.ws(request, socket as Socket, optionsFor(target, request), head).catch(() => answers.refuseUpgrade(socket, lostNode))
    },
    underWay: forwards.underWay,
    close: forwards.close,
  }
}

function openProxy(forwards: Forwards, answers: DoorAnswers): ProxyServer {
  const proxy = createProxyServer({})
  proxy.on('proxyReq', (onward, request) => {
    forwards.note(request, onward)
    // Nobody has asked for it, and no answer would come.
    onward.once('upgrade', (_answer, socket) => {
      socket.destroy()
      onward.emit('error', new Error('it answers as to an upgrade'))
    })
  })
  proxy.on('proxyRes', (answer, _request, response) => {
    const { headers } = answer
    removeHops(headers)
    // What no answer can have would be thrown where nobody catches it.
    if (answer.statusCode === undefined || answer.statusCode < 200) answer.statusCode = 502
    answer.statusMessage = ''
    // A stream begins with its head: nothing may come for long.
    if (headers['content-type']?.startsWith('text/event-stream') === true) queueMicrotask(() => response.flushHeaders())
  })
  proxy.on('error', (_error, request, to) => {
    if (request !== undefined && to !== undefined && 'writeHead' in to) answers.refuse(request, to, lostNode)
    else to?.destroy()
  })
  return proxy
}

/**
 * What counts between two ends of one connection only. Of a body whose length is known, a header that announces trailers ends the process that
 * sends it on: Node throws it while it pipes.
 */
function removeHops(headers: IncomingHttpHeaders): void {
  for (const name of ['trailer', 'te', 'keep-alive', 'proxy-connection', 'http2-settings']) delete headers[name]
}

const lostNode = refusal('guest_unreachable', 'The node that has the guest does not answer.', 'Try again: another node takes over.')

/** @returns where the guest answers now, or null */
function readyTarget({ name, view, guestUrl }: ClusterNode, { user, isForwarded }: Visit): Target | null {
  const here = guestUrl(user)
  if (here !== null) return { url: `http://${new URL(here).host}`, node: name, user, isHere: true }
  const lease = view.lease(user)
  return lease?.state === 'ready' && !isForwarded && lease.node !== name ? { url: lease.url, node: lease.node, user, isHere: false } : null
}

/** Waits for a guest that is woken, taken over or moved. @throws OxbowError where none comes */
async function waitForTarget(nodeNow: () => ClusterNode, visit: Visit, gone: AbortSignal): Promise<Target> {
  const { user } = visit
  const late = AbortSignal.timeout(doorWaitMs)
  for (;;) {
    const node = nodeNow()
    const { view } = node
    const target = readyTarget(node, visit)
    if (target !== null) return target
    const lease = view.lease(user)
    const failure = view.place(user)?.failure ?? ''
    if (failure !== '' && lease === null)
      throw refusal('guest_unreachable', 'The guest of this user does not start.', 'oxbow cluster where USER says why.')
    if (late.aborted || gone.aborted) throw refusal('guest_unreachable', notYet(lease), 'Try again in a moment.')
    if (lease === null) await node.wake(user).catch(() => {})
    await view.changed(user, AbortSignal.any([late, gone, AbortSignal.timeout(wakeAgainMs)]))
  }
}

function notYet(lease: LeaseNote | null): string {
  const before = lease?.state === 'starting' ? (lease.before ?? 0) : 0
  if (before === 0) return 'No node has started the guest of this user yet.'
  return `Many guests start now, and the one of this user waits for its turn: there were ${before} before it.`
}

interface Forwards {
  /** The request that goes on for one that came in. */
  note(request: IncomingMessage, onward: ClientRequest): void
  onwardOf(request: IncomingMessage): ClientRequest | undefined
  /** @param cut is called when the guest is elsewhere @returns what ends the watch */
  add(target: Target, cut: () => void): () => void
  underWay(user: string): number
  close(): void
}

/**
 * What is under way through a door. A node that hangs keeps its connections open and answers none: they are cut when its lease is over, so that
 * whoever waits asks again and comes to the next node.
 */
function createForwards(node: () => ClusterNode | null): Forwards {
  const all = new Map<() => void, Target>()
  const onwards = new WeakMap<IncomingMessage, ClientRequest>()
  const isThere = ({ user, node: name, isHere }: Target): boolean =>
    isHere ? node()?.guestUrl(user) !== null : node()?.view.lease(user)?.node === name
  const timer = setInterval(() => {
    for (const [cut, target] of all) {
      if (isThere(target)) continue
      all.delete(cut)
      cut()
    }
  }, doorCheckMs)
  return {
    note: (request, onward) => void onwards.set(request, onward),
    onwardOf: (request) => onwards.get(request),
    add(target, cut) {
      all.set(cut, target)
      return () => void all.delete(cut)
    },
    underWay: (user) => [...all.values()].filter((target) => target.isHere && target.user === user).length,
    close: () => clearInterval(timer),
  }
}

interface Forwarded {
  readonly answers: DoorAnswers
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: Target
  readonly options: ProxyServerOptions
}

/** Streams both ways. A node that is gone before it answers is told as such: whoever asked may ask again, with the same Idempotency-Key. */
async function forward(proxy: ProxyServer, forwards: Forwards, { request, response, target, options, answers }: Forwarded): Promise<void> {
  const lost = (): void => {
    answers.refuse(request, response, lostNode)
    forwards.onwardOf(request)?.destroy()
  }
  const done = forwards.add(target, lost)
  response.once('close', done)
  try {
    await proxy.web(request, response, options)
  } catch {
    lost()
  }
}
