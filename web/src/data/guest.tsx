/**
 * The connection of the page to its guest: signing in, the client, and what the rest of the page knows about both. The first connection is
 * tried until it succeeds; after that the client itself reconnects.
 */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { type Client, connect, type ConnectionState, sessionPath } from '../../../src/client/browser-client.ts'
import { type Failure, toError, toFailure } from '../../../src/base/index.ts'
import { basePath } from './base-path.ts'
import type { GuestStatus, Notice } from '../../../src/protocol/index.ts'

export type Access =
  | { readonly type: 'connecting' }
  | { readonly type: 'unreachable'; readonly failure: Failure }
  | { readonly type: 'signed_out'; readonly failure: Failure | null }
  | { readonly type: 'ready'; readonly guest: Guest }

export interface Guest {
  readonly client: Client
  /** As of the newest connection. */
  readonly status: GuestStatus
  /** False while the client reconnects. */
  readonly isConnected: boolean
  /** Grows with each new connection: what was read before may be stale. */
  readonly connections: number
  /** Newest last; the page keeps the last few. */
  readonly notices: readonly Notice[]
  dismiss(seq: number): void
  signOut(): Promise<void>
}

const retryMs = 1_500
const maxNotices = 5

/** Behind one door there are pages of several users. */
const pageKey = `oxbow.page${basePath}`

/**
 * The address at which the guest knows who asks. A cookie goes to every server on this host, whatever its port, so it has only one part of
 * the key; the other is in this address, and is kept where pages of other ports cannot read it.
 *
 * @param path such as `/ws` or `/api/v1/files/notes.txt`
 */
export function addressInGuest(path: string): string {
  const part = localStorage.getItem(pageKey)
  return part === null ? basePath + path : `${basePath}/web/${part}${path}`
}

/** A refusal of the gateway (RFC 9457). */
interface Problem extends Omit<Failure, 'message'> {
  readonly detail: string
}

function failureOf({ code, detail, hint }: Problem): Failure {
  return { code, message: detail, hint }
}

/** Takes a code out of the address, where `oxbow web` has put it, and exchanges it for a cookie and the page's part of the key. */
async function signInByLink(): Promise<Failure | null> {
  const code = /^#sign-in=([\w-]+)$/.exec(location.hash)?.[1]
  if (code === undefined) return null
  history.replaceState(null, '', location.pathname + location.search)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(basePath + sessionPath, { method: 'POST', headers, body: JSON.stringify({ code }) })
  const answer = (await response.json()) as { page: string } | Problem
  if ('detail' in answer) return failureOf(answer)
  localStorage.setItem(pageKey, answer.page)
  return null
}

export function useAccess(): Access {
  const [access, setAccess] = useState<Access>({ type: 'connecting' })
  useEffect(() => {
    const leaving = new AbortController()
    const update = (next: Access | ((access: Access) => Access)): void => {
      if (!leaving.signal.aborted) setAccess(next)
    }
    const change = (more: (guest: Guest) => Partial<Guest>): void =>
      update((now) => (now.type === 'ready' ? { type: 'ready', guest: { ...now.guest, ...more(now.guest) } } : now))
    let client: Client | null = null
    const onState = (state: ConnectionState): void => {
      if (state.type === 'connected')
        change(({ connections }) => ({ status: state.status, isConnected: true, connections: connections + 1 }))
      else if (state.type === 'reconnecting') change(() => ({ isConnected: false }))
      else if (state.failure.code === 'unauthenticated') update({ type: 'signed_out', failure: null })
      else update({ type: 'unreachable', failure: state.failure })
    }
    const onNotice = (notice: Notice): void => change(({ notices }) => ({ notices: [...notices, notice].slice(-maxNotices) }))
    const open = async (): Promise<void> => {
      const refusal = await signInByLink()
      const url = location.origin.replace(/^http/, 'ws') + addressInGuest('/ws')
      try {
        client = await connect({ url, client: 'web', onState, onNotice })
      } catch (error) {
        const failure = toFailure(error, 'guest_unreachable', '')
        if (failure.code === 'unauthenticated') return update({ type: 'signed_out', failure: refusal })
        update({ type: 'unreachable', failure })
        setTimeout(() => leaving.signal.aborted || start(), retryMs)
        return
      }
      if (leaving.signal.aborted) return void client.close()
      const opened = client
      const dismiss = (seq: number): void => change(({ notices }) => ({ notices: notices.filter((notice) => notice.seq !== seq) }))
      const signOut = async (): Promise<void> => {
        const response = await fetch(addressInGuest(sessionPath), { method: 'DELETE' })
        if (!response.ok) throw toError(failureOf((await response.json()) as Problem))
        localStorage.removeItem(pageKey)
        await opened.close()
        update({ type: 'signed_out', failure: null })
      }
      const guest = { client: opened, status: opened.greeting(), isConnected: true, connections: 1, notices: [], dismiss, signOut }
      update({ type: 'ready', guest })
    }
    const start = (): void =>
      void open().catch((error: unknown) => update({ type: 'unreachable', failure: toFailure(error, 'guest_unreachable', '') }))
    start()
    return () => {
      leaving.abort()
      void client?.close()
    }
  }, [])
  return access
}

const GuestContext = createContext<Guest | null>(null)

export function GuestProvider({ guest, children }: { readonly guest: Guest; readonly children: ReactNode }): ReactNode {
  const value = useMemo(() => guest, [guest])
  return <GuestContext.Provider value={value}>{children}</GuestContext.Provider>
}

/** For what is shown only to who is signed in. */
export function useGuest(): Guest {
  const guest = useContext(GuestContext)
  if (guest === null) throw new Error('useGuest is called outside of GuestProvider')
  return guest
}
