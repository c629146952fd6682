/**
 * The door of a node: every user's requests and terminals come in at any node, and their bytes go to the node that has the guest, which checks
 * whom they are from. The user is in the path, `/users/NAME/…`, or in the header `oxbow-user`. Where nobody has the guest, it is woken, and the
 * request waits.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createProxyServer, type ProxyServer } from 'httpxy'
import { errorTable, type ErrorCode, OxbowError } from '../base/index.ts'
import { doorWaitMs, maxWaitingRequests, wakeAgainMs } from './limits.ts'
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
    if (request.url === '/healthz') return void response.end(JSON.stringify({ node: name, ready: node !== null }))
    leadTo(request)
      .then((target) => forward(proxy, request, response, target, name))
      .catch((error: unknown) => refuse(response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    leadTo(request)
      .then((target) => proxy.ws(request, socket as Socket, optionsOf(target, name), head))
      .catch(() => socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
  })
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
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Target {
  readonly url: string
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
    if (here !== null) return { url: `http://${new URL(here).host}`, user, isHere: true }
    const lease = view.lease(user)
    const place = view.place(user)
    if (lease?.state === 'ready' && !isForwarded) return { url: lease.url, user, isHere: false }
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

/** Streams both ways. A node that is gone before it answers is told as such: whoever asked may ask again, with the same Idempotency-Key. */
async function forward(proxy: ProxyServer, request: IncomingMessage, response: ServerResponse, target: Target, name: string): Promise<void> {
  try {
    await proxy.web(request, response, optionsOf(target, name))
  } catch {
    refuse(response, refusal('guest_unreachable', 'The node that has the guest does not answer.', 'Try again: another node takes over.'))
  }
}

function refusal(code: ErrorCode, message: string, hint: string): OxbowError {
  return new OxbowError(code, message, { hint })
}

/** As the gateway refuses: problem details (RFC 9457). */
function refuse(response: ServerResponse, error: unknown): void {
  const { code, message, hint } =
    error instanceof OxbowError ? error : refusal('internal_failure', 'The door failed.', 'See the output of oxbow cluster join.')
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
