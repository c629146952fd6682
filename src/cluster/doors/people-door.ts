/**
 * The door of a node for people and their programs: every user's page, terminals and requests come in at any node. The user is in the path,
 * `/users/NAME/…`, or in the header `oxbow-user`. The page itself is the same for all users, so the door serves it: it wakes nobody.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ClusterConfig } from '../../config/index.ts'
import type { DoorParts, WebFiles } from '../../gateway/index.ts'
import type { DoorAnswers } from './door-answers.ts'
import { refusal, userHeader } from './door-answers.ts'
import type { DoorKeys } from './door-keys.ts'
import type { DoorTls } from './door-files.ts'
import type { Forwarding, Visit } from './forwarding.ts'
import { listen, originOf } from './listening.ts'

interface PeopleDoorDeps {
  readonly config: ClusterConfig['door']
  /** Null: plain HTTP. */
  readonly tls: DoorTls | null
  readonly name: string
  readonly parts: DoorParts
  readonly answers: DoorAnswers
  readonly keys: DoorKeys
  readonly forwarding: Forwarding
  readonly webFolder: string
  readonly isReady: () => boolean
}

/** @returns the server, and where it is reached. @throws OxbowError `bad_config` where it cannot listen */
export async function openPeopleDoor(deps: PeopleDoorDeps): Promise<{ readonly server: Server; readonly url: string }> {
  const { config, tls, name, parts, answers, forwarding, isReady } = deps
  const pages = parts.createWebFiles(deps.webFolder)
  const server: Server =
    tls === null
      ? process.getBuiltinModule('node:http').createServer({ requestTimeout: 0 })
      : process.getBuiltinModule('node:https').createServer({ ...tls, minVersion: 'TLSv1.2', requestTimeout: 0 })
  server.on('request', (request, response) => {
    const serve = async (): Promise<void> => {
      const visit = request.url === '/healthz' ? null : visitOf(deps, request, false)
      if (request.url === '/healthz') response.end(JSON.stringify({ node: name, ready: isReady() }))
      else if (visit === null ? isPageFile(request) : opensPage(request)) servePage(pages, request, response)
      else if (visit === null) throw noUser
      else await forwarding.web(visit, response)
    }
    serve().catch((error: unknown) => answers.refuse(request, response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    const serve = async (): Promise<void> => {
      const visit = visitOf(deps, request, true)
      if (visit === null) throw noUser
      await forwarding.ws(visit, socket, head)
    }
    serve().catch((error: unknown) => answers.refuseUpgrade(socket, error))
  })
  await listen(server, config, 'cluster.door')
  return { server, url: originOf(config.host, server, tls !== null) }
}

const noUser = refusal('not_found', 'This address is the door of a cluster: it needs a user.', 'Ask for /users/NAME/… .')

/**
 * Takes the user out of the address, so that the guest sees the one behind it, and tells the guest under which address it is reached.
 * @returns null for what no user is asked for: files of the page. @throws OxbowError `denied` for other hosts, and pages from elsewhere
 */
function visitOf({ config, parts, keys, tls }: PeopleDoorDeps, request: IncomingMessage, isUpgrade: boolean): Visit | null {
  const { headers } = request
  const refused = parts.refuseSource(headers, { host: config.host, publicUrl: config.url })
  if (refused !== null) throw refusal(refused.code, refused.message, refused.hint)
  const [, inPath, rest] = /^\/users\/([^/?#]+)(.*)$/.exec(request.url ?? '') ?? []
  const header = headers[userHeader]
  const user = inPath === undefined ? (typeof header === 'string' && header !== '' ? header : null) : inPath
  if (user === null) return null
  if (inPath !== undefined) request.url = rest?.startsWith('/') === true ? rest : `/${rest ?? ''}`
  // A proxy with TLS may be in front, and says for whom it asks. What others claim of themselves ends here.
  const address = parts.strangerAddress(request, tls === null && config.url.startsWith('https:'))
  for (const forged of Object.keys(headers).filter((key) => key.startsWith('x-forwarded-') || key === 'forwarded')) delete headers[forged]
  headers['x-forwarded-for'] = address
  headers['x-forwarded-proto'] = tls !== null || config.url.startsWith('https:') ? 'https' : 'http'
  headers['x-forwarded-host'] = headers.host ?? ''
  headers['x-forwarded-prefix'] = inPath === undefined ? '' : `/users/${inPath}`
  const name = decoded(user)
  if (isUpgrade || !opensPage(request)) keys.refuseEmpty(request)
  return { request, user: name, isForwarded: false, admit: () => keys.admit(request, name, isUpgrade) }
}

function decoded(user: string): string {
  try {
    return decodeURIComponent(user)
  } catch {
    throw noUser
  }
}

/** What the guest answers itself; all else is the page. */
const guestPath = /^\/(?:api|v1|ws|mcp|a2a|hooks|plugins|web|sign-in|metrics|healthz?|readyz|\.well-known)(?:[/?]|$)/

function opensPage({ url = '', method = '', headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return !guestPath.test(url) || (/^\/health(?:\?|$)/.test(url) && headers.accept?.includes('text/html') === true)
}

/** The page asks for its files without a user. */
function isPageFile(request: IncomingMessage): boolean {
  return opensPage(request) && /^\/(?:assets\/|[\w-]+\.\w+$)/.test(request.url ?? '')
}

function servePage(pages: WebFiles, request: IncomingMessage, response: ServerResponse): void {
  pages(request, response, (request.url ?? '').split('?', 1)[0] ?? '')
}
