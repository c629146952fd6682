/**
 * Agents of others, and the approved ones as calls. What models are offered comes from the card that a person has approved, so that no
 * agent is asked before one of its calls is made or a person looks at it.
 */
import type { Call } from '../../protocol/index.ts'
import type { A2aConfig } from '../../config/index.ts'
import type { CallSource } from '../call-source.ts'
import type { ServerSecrets } from '../mcp/login.ts'
import { filled } from '../program.ts'
import type { KeptDocuments } from '../mcp/settings.ts'
import { createRemote, type Remote, type RemoteDeps } from './remote.ts'
import { remoteCall } from './remote-call.ts'
import { type HeldRemote, remoteCalls, type RemoteTable } from './remote-calls.ts'
import { createRemoteSettings, type NamedRemote } from './settings.ts'

export interface RemotesDeps extends Pick<RemoteDeps, 'openFetch' | 'hash' | 'nowMs'> {
  readonly config: Pick<A2aConfig, 'remotes'>
  readonly documents: KeptDocuments
  readonly secrets: Pick<ServerSecrets, 'get'>
  readonly pause?: RemoteDeps['pause']
}

/** Reads the settings and asks nobody. */
export async function createRemotes(deps: RemotesDeps): Promise<CallSource> {
  const settings = createRemoteSettings(deps.config.remotes, deps.documents)
  const remotes = new Map<string, { readonly key: string; readonly remote: Remote }>()
  /** Hashes of the cards that were read last. */
  const cards = new Map<string, string>()
  let held: readonly HeldRemote[] = []
  let offered: readonly Call[] = []

  const isChanged = (name: string): boolean => {
    const named = held.find((each) => each.named.name === name)?.named
    const now = cards.get(name)
    return named?.kept.approved !== null && named !== undefined && now !== undefined && now !== named.kept.approved.hash
  }
  const offer = (): void => {
    offered = held
      .filter(({ named: { name, kept } }) => !kept.disabled && kept.approved !== null && !isChanged(name))
      .map(({ named, remote }) => remoteCall(named, remote, deps.documents))
  }
  const remoteOf = (named: NamedRemote): Remote => {
    const key = JSON.stringify([named.settings, named.kept])
    const now = remotes.get(named.name)
    if (now?.key === key) return now.remote
    const remote = createRemote(named, {
      ...deps,
      pause: deps.pause ?? pause,
      fill: (value) => filled(`The agent ${named.name}`, value, deps.secrets),
      onCard(name, { hash }) {
        const before = isChanged(name)
        cards.set(name, hash)
        // The tools of a request are cached by the identity of the array.
        if (isChanged(name) !== before) offer()
      },
    })
    remotes.set(named.name, { key, remote })
    return remote
  }
  const table: RemoteTable = {
    settings,
    held: () => held,
    isChanged,
    async reload() {
      held = (await settings.load()).map((named) => ({ named, remote: remoteOf(named) }))
      for (const name of Array.from(remotes.keys())) if (held.every(({ named }) => named.name !== name)) remotes.delete(name)
      offer()
    },
  }
  await table.reload()
  return { calls: remoteCalls(table, deps.hash), tools: () => offered, close: async () => {} }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
