/**
 * The door of a node for the other nodes, over mutual TLS: each side shows a certificate of the cluster's authority. Without one, nothing is
 * forwarded; a machine that has none yet learns the authority's certificate here, and gets its own for a token.
 */
import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { isObject, OxbowError } from '../../base/index.ts'
import type { ClusterConfig } from '../../config/index.ts'
import { maxEnrolBytes } from '../limits.ts'
import { authorityPath, enrol, joinPath } from '../trust/enrolment.ts'
import type { NodeIdentity } from '../trust/node-identity.ts'
import { type Revocations, peerOf } from '../trust/revocations.ts'
import { type DoorAnswers, refusal, userHeader } from './door-answers.ts'
import type { Forwarding, Visit } from './forwarding.ts'
import { listen, originOf } from './listening.ts'

interface PeerDoorDeps {
  readonly config: ClusterConfig['peer']
  readonly identity: NodeIdentity
  /** Of the home. */
  readonly folder: string
  readonly revocations: Revocations
  readonly answers: DoorAnswers
  readonly forwarding: Forwarding
  readonly isReady: () => boolean
  /** @returns whether a node with this name is up */
  readonly isTaken: (name: string) => boolean
  readonly now: () => number
}

/** Takes the start of a connection of a node, or returns false. */
export type PeerTakes = (request: IncomingMessage, socket: Duplex, head: Buffer, peer: string) => boolean

export interface PeerDoor {
  readonly server: Server
  readonly url: string
  /** From the next connection on, it shows this one. */
  show(identity: NodeIdentity): void
  between(takes: PeerTakes): void
}

/** @throws OxbowError `bad_config` where it cannot listen */
export async function openPeerDoor(deps: PeerDoorDeps): Promise<PeerDoor> {
  const { config, identity, revocations, answers, forwarding } = deps
  const server = process
    .getBuiltinModule('node:https')
    .createServer({ ...contextOf(identity), requestCert: true, rejectUnauthorized: false, requestTimeout: 0 })
  let takes: PeerTakes = () => false
  // A node that is removed keeps no connection from before.
  server.on('secureConnection', (socket) => revocations.watch(socket))
  server.on('request', (request, response) => {
    serve(deps, request, response).catch((error: unknown) => answers.refuse(request, response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    const lead = async (): Promise<void> => {
      if (isForwarded(request)) return forwarding.ws(visitOf(deps, request), socket, head)
      const peer = nodeOf(deps, request)
      if (!takes(request, socket, head, peer))
        throw refusal('not_found', 'No node connects to this address.', 'Run the same version on every node.')
    }
    lead().catch((error: unknown) => answers.refuseUpgrade(socket, error))
  })
  await listen(server, config, 'cluster.peer')
  return {
    server,
    url: originOf(config.host, server, true),
    show: (next) => server.setSecureContext(contextOf(next)),
    between: (taking) => void (takes = taking),
  }
}

function contextOf({ cert, key, ca }: NodeIdentity) {
  // Each connection shows its certificate: none is taken up again by a ticket from before.
  return { cert: cert + ca, key, ca, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const
}

/** What a node asks for itself names no user, and what it forwards names one: nobody behind another door speaks as the node that leads here. */
const isForwarded = ({ headers }: IncomingMessage): boolean => headers[userHeader] !== undefined

async function serve(deps: PeerDoorDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (isForwarded(request)) await deps.forwarding.web(visitOf(deps, request), response)
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(await answerTo(deps, request)))
}

/** @throws OxbowError for what no node asks */
async function answerTo(deps: PeerDoorDeps, request: IncomingMessage): Promise<unknown> {
  const { identity, folder, isReady, isTaken, revocations, now } = deps
  if (request.url === authorityPath) return { ca: identity.ca }
  if (request.url === joinPath && request.method === 'POST') {
    const peer = peerOf(request.socket as TLSSocket, revocations)
    const body = await bodyOf(request)
    if (peer === null && isTaken(nameIn(body)))
      throw refusal('bad_input', 'Another node of this cluster has this name.', 'Give each node a name of its own: cluster.node.')
    return enrol(folder, body, peer, now(), revocations.issueAt)
  }
  nodeOf(deps, request)
  if (request.url === '/healthz') return { node: identity.name, ready: isReady(), at: now() }
  throw refusal('not_found', 'Nodes ask nothing at this address.', 'Run the same version on every node.')
}

/** @returns the node that asks @throws OxbowError `unauthenticated` for whoever is no node */
function nodeOf({ revocations }: PeerDoorDeps, request: IncomingMessage): string {
  const peer = peerOf(request.socket as TLSSocket, revocations)
  if (peer !== null) return peer
  throw refusal(
    'unauthenticated',
    'This is the door for other nodes: it needs a certificate of this cluster.',
    'People and programs use cluster.door; a new machine joins with a token: oxbow cluster invite.',
  )
}

/** @throws OxbowError `unauthenticated` for whoever is no node */
function visitOf(deps: PeerDoorDeps, request: IncomingMessage): Visit {
  nodeOf(deps, request)
  const user = String(request.headers[userHeader])
  delete request.headers[userHeader]
  // The door before has let it in.
  return { request, user: decodeURIComponent(user), isForwarded: true, admit: async () => {} }
}

function nameIn(body: unknown): string {
  return isObject(body) && typeof body['name'] === 'string' ? body['name'] : ''
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  request.setEncoding('utf8')
  for await (const chunk of request) {
    text += chunk as string
    if (text.length > maxEnrolBytes)
      throw new OxbowError('limit_reached', 'This request is too large.', { hint: 'Run the same version on every node.' })
  }
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
