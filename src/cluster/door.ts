/**
 * The door of a node: every user's requests and terminals come in at any node, and their bytes go to the node that has the guest, which checks
 * whom they are from. The user is in the path, `/users/NAME/…`, or in the header `oxbow-user`. Where nobody has the guest, it is woken, and the
 * request waits.
 */
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createProxyServer, type ProxyServer } from 'httpxy'
import { errorTable, type ErrorCode, OxbowError } from '../base/index.ts'
import { doorCheckMs, doorWaitMs, maxWaitingRequests, wakeAgainMs } from './limits.ts'
import type { ClusterNode } from './node.ts'

export interface Door {
  /** `http://host:port` */
  readonly url: string
  /** From now on requests are forwarded; before, they are asked to come again. */
  open(node: ClusterNode): void
  close(): Promise<void>
}

/** Set by the door that forwards: the next one does not forward it once more. */
const viaHeader = 'oxbow-via'
const userHeader = 'oxbow-user'

/** @throws OxbowError `bad_config` where it cannot listen */
export async function openDoor({ host, port }: { readonly host: string; readonly port: number }, name: string): Promise<Door> {
  const { createServer } = process.getBuiltinModule('node:http')
  const proxy = createProxyServer({})
  let node: ClusterNode | null = null
  let waiting = 0
  const forwards = createForwards(() => node)
  const leadTo = async (request: IncomingMessage): Promise<Target> => {
    const user = takeUser(request)
    if (user === null) throw refusal('not_found', 'This address is the door of a cluster: it needs a user.', 'Ask for /users/NAME/… .')
    if (node === null) throw refusal('guest_unreachable', 'This node is starting.', 'Try again in a moment.')
    if (waiting >= maxWaitingRequests) throw refusal('limit_reached', 'Too many requests wait for guests here.', 'Try again later.')
    waiting += 1
    try {
      return await findTarget(node, user, request.headers[viaHeader] !== undefined)
    } finally {
      waiting -= 1
    }
  }
  const server = createServer((request, response) => {
    if (request.url === '/healthz') {
      response.end(JSON.stringify({ node: name, ready: node !== null }))
      return
    }
    leadTo(request)
      .then((target) => forward({ proxy, forwards, name }, request, response, target))
      .catch((error: unknown) => refuse(response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    leadTo(request)
      .then((target) => {
        socket.once(
          'close',
          forwards.add(target, () => socket.destroy()),
        )
        return proxy.ws(request, socket as Socket, optionsOf(target, name), head)
      })
      .catch(() => socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
  })
  proxy.on('proxyReq', (onward, request) => forwards.note(request, onward))
  // What fails is answered where it was forwarded.
  proxy.on('error', (_error, _request, to) => {
    if (to !== undefined && 'destroy' in to && !('writeHead' in to)) to.destroy()
  })
  await listen(server, host, port)
  const address = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    open: (opened) => void (node = opened),
    async close() {
      forwards.close()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Target {
  readonly url: string
  readonly node: string
  readonly user: string
  /** The guest is on this node. */
  readonly isHere: boolean
}

/** Takes the user out of the address, so that the guest sees the one behind it. */
function takeUser(request: IncomingMessage): string | null {
  const [, inPath, rest] = /^\/users\/([^/?#]+)(.*)$/.exec(request.url ?? '') ?? []
  const header = request.headers[userHeader]
  if (inPath === undefined) return typeof header === 'string' && header !== '' ? header : null
  request.url = rest?.startsWith('/') === true ? rest : `/${rest ?? ''}`
  try {
    return decodeURIComponent(inPath)
  } catch {
    return null
  }
}

/** Waits for a guest that is woken, taken over or moved. @throws OxbowError where none comes, or nobody knows the user */
async function findTarget(node: ClusterNode, user: string, isForwarded: boolean): Promise<Target> {
  const { view } = node
  const late = AbortSignal.timeout(doorWaitMs)
  for (;;) {
    const here = node.guestUrl(user)
    if (here !== null) return { url: `http://${new URL(here).host}`, node: node.name, user, isHere: true }
    const lease = view.lease(user)
    const place = view.place(user)
    if (lease?.state === 'ready' && !isForwarded) return { url: lease.url, node: lease.node, user, isHere: false }
    if (place === null && lease === null)
      throw refusal('not_found', 'This cluster has no such user.', 'An administrator adds one: oxbow cluster where USER --wake')
    if (place !== null && place.failure !== '' && lease === null)
      throw refusal('guest_unreachable', 'The guest of this user does not start.', 'oxbow cluster where USER says why.')
    if (late.aborted) throw refusal('guest_unreachable', 'No node has started the guest of this user yet.', 'Try again in a moment.')
    if (lease === null) await node.wake(user).catch(() => {})
    await view.changed(user, AbortSignal.any([late, AbortSignal.timeout(wakeAgainMs)]))
  }
}

function optionsOf({ url, user, isHere }: Target, name: string) {
  // The guest serves the host that its address names; another door passes on what came.
  return { target: url, changeOrigin: isHere, headers: isHere ? {} : { [viaHeader]: name, [userHeader]: user } }
}

interface Forwards {
  /** The request that goes on for one that came in. */
  note(request: IncomingMessage, onward: ClientRequest): void
  onwardOf(request: IncomingMessage): ClientRequest | undefined
  /** @param cut is called when the guest is elsewhere @returns what ends the watch */
  add(target: Target, cut: () => void): () => void
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
    close: () => clearInterval(timer),
  }
}

interface ForwardDeps {
  readonly proxy: ProxyServer
  readonly forwards: Forwards
  /** Of this node. */
  readonly name: string
}

/** Streams both ways. A node that is gone before it answers is told as such: whoever asked may ask again, with the same Idempotency-Key. */
async function forward(
  { proxy, forwards, name }: ForwardDeps,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  const lost = (): void => {
    refuse(response, refusal('guest_unreachable', 'The node that has the guest does not answer.', 'Try again: another node takes over.'))
    forwards.onwardOf(request)?.destroy()
  }
  const done = forwards.add(target, lost)
  response.once('close', done)
  try {
    await proxy.web(request, response, optionsOf(target, name))
  } catch {
    lost()
  }
}

function refusal(code: ErrorCode, message: string, hint: string): OxbowError {
  return new OxbowError(code, message, { hint })
}

/** As the gateway refuses: problem details (RFC 9457). */
function refuse(response: ServerResponse, error: unknown): void {
  const { code, message, hint } =
    error instanceof OxbowError ? error : refusal('internal_failure', 'The door failed.', 'See the output of oxbow cluster join.')
  if (response.writableEnded) return
  if (response.headersSent) return void response.destroy()
  const status = errorTable[code].http
  response.writeHead(status, { 'content-type': 'application/problem+json', ...(status === 503 && { 'retry-after': '1' }) })
  response.end(JSON.stringify({ type: 'about:blank', title: message, status, code, detail: message, hint }))
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new OxbowError('bad_config', `The door of this node cannot listen on ${host}:${port}.`, {
          hint: 'Choose another cluster.door.port (0 lets the system choose) or cluster.door.host.',
          cause,
        }),
      ),
    )
    server.listen({ host, port }, resolve)
  })
}
