/** The configuration of the guest as pages use it: what it is, saving a change, and a restart with it. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { InputOf } from '../../../src/client/browser-client.ts'
import { type Failure, OxbowError, toFailure } from '../../../src/base/index.ts'
import type { ConfigProposal, ConfigState } from '../../../src/config/index.ts'
import { type CallState, callOf, useCall } from './calls.ts'
import { useGuest } from './guest.tsx'

export interface ShownConfig extends ConfigState {
  /** Why the guest runs with its previous configuration; empty if it does not. */
  readonly restart_problem: string
}

export function useConfig(): CallState<ShownConfig> {
  return useCall('config.show', {})
}

/** A guest is back within a second; after this time something is wrong. */
const restartTimeoutMs = 30_000

export interface ApplyConfig {
  /** Saves a change. @returns null when it failed; the failure is shown */
  readonly save: (draft: InputOf<'config.save'>['draft'], base: string) => Promise<ConfigProposal | null>
  /** Restarts the guest with what was saved. @returns whether it runs with that */
  readonly restart: () => Promise<boolean>
  /** Does any work of the same kind. @returns undefined when it failed */
  readonly attempt: <Output>(work: () => Promise<Output>) => Promise<Output | undefined>
  readonly isBusy: boolean
  readonly failure: Failure | null
  readonly clear: () => void
}

export function useApplyConfig(): ApplyConfig {
  const { client, connections } = useGuest()
  const [busy, setBusy] = useState(0)
  const [failure, setFailure] = useState<Failure | null>(null)
  const returned = useRef<(() => void) | null>(null)
  useEffect(() => {
    returned.current?.()
    returned.current = null
  }, [connections])

  const attempt = useCallback(async <Output>(work: () => Promise<Output>): Promise<Output | undefined> => {
    setBusy((count) => count + 1)
    setFailure(null)
    try {
      return await work()
    } catch (error) {
      setFailure(toFailure(error, 'internal_failure', 'Try again.'))
      return undefined
    } finally {
      setBusy((count) => count - 1)
    }
  }, [])
  const save = useCallback<ApplyConfig['save']>(
    async (draft, base) => (await attempt(() => callOf(client, 'config.save', { draft, base }))) ?? null,
    [attempt, client],
  )
  const restart = useCallback<ApplyConfig['restart']>(
    async () =>
      (await attempt(async () => {
        const back = new Promise<void>((resolve, reject) => {
          returned.current = resolve
          setTimeout(() => reject(late()), restartTimeoutMs)
        })
        await callOf(client, 'guest.restart', {})
        await back
        const { restart_problem: problem } = await callOf(client, 'config.show', {})
        if (problem !== '') throw new OxbowError('bad_config', `Oxbow goes on with its previous configuration: ${problem}`, { hint: '' })
        return true
      })) ?? false,
    [attempt, client],
  )
  const clear = useCallback(() => setFailure(null), [])
  return { save, restart, attempt, isBusy: busy > 0, failure, clear }
}

function late(): OxbowError {
  return new OxbowError('timeout', 'Oxbow has not come back within half a minute.', {
    hint: 'Run oxbow status, or oxbow logs, in a terminal.',
  })
}
