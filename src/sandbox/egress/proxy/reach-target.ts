/** From what a client asks for to a connection: the policy, then one of the addresses that it has checked, and what is counted. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { OxbowError, isOxbowError } from '../../../types/index.ts'
import { maxProxyBytes, proxyConnectMs, proxyIdleMs } from '../../limits.ts'
import type { Admit, Destination } from '../egress-policy.ts'
import { connectPinned, connectionFailure } from '../pinned-request.ts'
import type { VisitLog } from './visit-log.ts'

export interface ProxyDeps {
  readonly admit: Admit
  /** Null: nobody asks what went through. */
  readonly log: VisitLog | null
}

export interface Reached {
  readonly to: Destination
  readonly upstream: Socket
}

/**
 * Counted either way. The connection ends by itself when it is silent for long, or has carried too much.
 * @param target makes the URL of what is asked for
 * @param client who asks; when it goes, nothing is reached any more
 * @throws OxbowError that may be shown to the client: it names no address that was not asked for
 */
export async function reachTarget({ admit, log }: ProxyDeps, asked: string, target: () => string, client: Socket): Promise<Reached> {
  const stop = new AbortController()
  const gone = (): void => stop.abort(new OxbowError('cancelled', 'The client has gone.', { hint: 'Ask again.' }))
  const timer = setTimeout(() => stop.abort(tooSlow()), proxyConnectMs)
  client.once('close', gone)
  if (client.destroyed) gone()
  const decided = log?.begin(readable(asked))
  try {
    const to = await admit(target(), stop.signal)
    const upstream = await connect(to, stop.signal)
    decided?.()
    log?.note({ host: to.host, port: to.port, decision: 'reached', reason: '' }, upstream)
    return { to, upstream }
  } catch (error) {
    const failure = isOxbowError(error) ? error : misfortune(error)
    decided?.()
    const refused = failure.code === 'denied' || failure.code === 'bad_input'
    log?.note({ ...readable(asked), decision: refused ? 'refused' : 'failed', reason: shortReason(failure.message) })
    throw failure
  } finally {
    clearTimeout(timer)
    client.off('close', gone)
  }
}

async function connect(to: Destination, signal: AbortSignal): Promise<Socket> {
  const upstream = connectPinned(to.host, to.port, to.addresses, false)
  upstream.on('error', () => upstream.destroy())
  try {
    await once(upstream, 'connect', { signal })
  } catch (error) {
    upstream.destroy()
    signal.throwIfAborted()
    throw connectionFailure(to, error)
  }
  upstream.setTimeout(proxyIdleMs, () => upstream.destroy())
  return upstream
}

/** Ends the connection when one direction has carried too much. @param source what is read, in either direction */
export function boundBytes(source: NodeJS.EventEmitter, upstream: Socket): void {
  source.on('data', () => {
    if (upstream.bytesRead > maxProxyBytes || upstream.bytesWritten > maxProxyBytes) upstream.destroy()
  })
}

/** What was asked for, when it is refused before the policy has read it: anything, so only what can be shown of it. */
function readable(asked: string): { host: string; port: number } {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(asked) ? asked : `https://${asked}/`)
  const host = (url?.hostname ?? asked).replace(/[^\x21-\x7e]/g, '?')
  const port = url === null ? 0 : url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { host, port }
}

/** Host and port stand in the record already. */
function shortReason(message: string): string {
  return message.replace(/^\S+ (?:may not be reached: |did not give an answer )/, '')
}

function tooSlow(): OxbowError {
  return new OxbowError('timeout', `It did not answer within ${proxyConnectMs / 1000} s.`, { hint: 'Try again later.' })
}

function misfortune(cause: unknown): OxbowError {
  return new OxbowError('tool_failed', 'It could not be reached.', { hint: 'Try again later.', cause })
}
