/**
 * Keeps a guest running for a program that serves: one that was killed, or failed, is started again after a pause that grows, because
 * schedules and connected terminals depend on it. One that fails again and again is given up, and the person is told why.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Failure, toFailure } from '../base/index.ts'
import { loadLastGood } from './config/good-config.ts'
import { ensureGuest, type GuestSetup, type RunningGuest } from './guest.ts'
import { healthyGuestMs, lossWindowMs, maxLosses, restartPauseMs, otherGuestLookMs } from './limits.ts'

export interface KeptGuest {
  /** Of the next start, with the files as they are then. @throws OxbowError where they cannot be used */
  readonly setup: () => GuestSetup
  readonly stopped: Promise<null>
  /** Called for the first guest and for each that replaces it. */
  readonly onStart: (guest: RunningGuest, setup: GuestSetup) => Promise<void>
  readonly onLoss: (failure: Failure, pauseMs: number) => void
  /** Called while the guest of a terminal serves, which is waited for. Absent: `onStart` is called with it. */
  readonly onOther?: (guest: RunningGuest) => void
}

/**
 * @returns null when it was stopped; else why no guest is started any more
 * @throws OxbowError what the first start fails with, unless it waits for the guests of terminals
 */
export async function keepGuest({ setup, stopped, onStart, onLoss, onOther }: KeptGuest): Promise<Failure | null> {
  let losses: readonly number[] = []
  /** Why there is no guest; null: none was started yet. */
  let failure: Failure | null = null
  let isEarly = false
  for (;;) {
    if (failure !== null) {
      losses = [...losses.filter((at) => performance.now() - at < lossWindowMs), performance.now()]
      // What a guest reports as fatal is no accident: a start would report it again. One that has lost its runner may take a while to end.
      if (failure.code !== 'guest_unreachable' && (onOther === undefined || failure.code !== 'workspace_busy')) return failure
      if (losses.length >= maxLosses)
        return { ...failure, message: `${failure.message}; this was the ${maxLosses}th time within 10 minutes` }
      const pauseMs = restartPauseMs(losses.length)
      onLoss(failure, pauseMs)
      if ((await Promise.race([sleep(pauseMs), stopped])) === null) return null
    }
    const isFirst: boolean = failure === null && onOther === undefined
    let guest: RunningGuest | null
    let options: GuestSetup
    try {
      options = isEarly ? beforeChange(setup()) : setup()
      guest = isFirst ? await ensureGuest(options) : await startOwn(options, stopped, onOther)
    } catch (error) {
      if (isFirst) throw error
      failure = toFailure(error, 'guest_unreachable', 'See the log of the guest.')
      isEarly = true
      continue
    }
    if (guest === null) return null
    const startedAt = performance.now()
    await onStart(guest, options)
    failure = await Promise.race([guest.gone, stopped])
    if (failure === null) {
      await guest.stop()
      return null
    }
    isEarly = performance.now() - startedAt < healthyGuestMs
  }
}

/** A terminal that lost the guest may have been faster: its guest serves until that terminal ends. @returns null when it was stopped */
async function startOwn(options: GuestSetup, stopped: Promise<null>, onOther: KeptGuest['onOther']): Promise<RunningGuest | null> {
  for (;;) {
    const guest = await ensureGuest(options)
    if (guest.owned) return guest
    onOther?.(guest)
    if ((await Promise.race([sleep(otherGuestLookMs), stopped])) === null) return null
  }
}

/** A guest that did not get well after a change of its configuration gets the one back with which one did. */
function beforeChange(options: GuestSetup): GuestSetup {
  const good = options.isFallback === true ? null : loadLastGood(options, options.overrides)
  if (good === null) return options
  options.warn('The guest ended soon after a change of its configuration: it runs with the last one that worked instead.')
  return { ...options, config: good, isFallback: true }
}
