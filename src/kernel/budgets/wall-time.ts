/**
 * Wall time of budgets: it passes for every call that runs, so an account with several of them runs out sooner. At that moment all of them
 * are stopped. What a call takes to stop is not charged: no budget is exceeded.
 */
import type { Clock } from '../../base/index.ts'
import { type Account, heldIn, type Hold, renewAccounts, type Shortfall } from '../../protocol/index.ts'

/** Milliseconds that calls may run yet, if they all run on. */
function timeLeft(account: Account, monotonicMs: number): number {
  const running = account.clock.size * monotonicMs - account.beganSum
  return account.limit.ms - account.spent.ms - heldIn(account, 'ms') - running
}

export function outOfTime(chain: readonly Account[], clock: Clock): Shortfall | null {
  const account = timed(chain).find((each) => timeLeft(each, clock.monotonicMs()) < 1)
  return account === undefined ? null : { account, kind: 'ms', needed: 1, left: 0 }
}

/** Accounts whose time limits a call; above a carved budget with a time of its own, that time is held already. */
function timed(chain: readonly Account[]): readonly Account[] {
  const last = chain.findIndex(({ isCarved, limit }) => isCarved && limit.ms !== Infinity)
  return chain.filter(({ limit }, at) => limit.ms !== Infinity && (last === -1 || at <= last))
}

export function begin(hold: Hold, onOver: () => void, clock: Clock): void {
  hold.began = clock.monotonicMs()
  hold.onOver = onOver
  for (const account of timed(hold.accounts)) {
    account.clock.add(hold)
    account.beganSum += hold.began
    wind(account, clock)
  }
}

/** Sets the alarm at which an account has no time left. One that rings earlier stays: it looks again then. */
function wind(account: Account, clock: Clock): void {
  if (account.clock.size === 0) {
    clearTimeout(account.alarm)
    Object.assign(account, { beganSum: 0, alarmAt: Infinity })
    return
  }
  const now = clock.monotonicMs()
  // A busy event loop fires the timer later than this; the delay is not charged.
  const due = now + Math.max(0, timeLeft(account, now) / account.clock.size)
  if (account.alarmAt <= due) return
  const ring = (): void => {
    account.alarmAt = Infinity
    renewAccounts([account], clock)
    if (timeLeft(account, clock.monotonicMs()) >= 1) return wind(account, clock)
    for (const hold of account.clock) {
      hold.stopped ??= Math.min(due, clock.monotonicMs())
      hold.onOver()
    }
  }
  clearTimeout(account.alarm)
  const inMs = Math.min(Math.max(1, due - now), longestAlarmMs)
  account.alarmAt = now + inMs
  account.alarm = setTimeout(ring, inMs).unref()
}

/** A longer timer would fire at once. */
const longestAlarmMs = 2 ** 31 - 1

/** @returns the time of the call that counts: until a budget had no more */
export function end(hold: Hold, clock: Clock): number {
  for (const account of hold.accounts) {
    if (!account.clock.delete(hold)) continue
    account.beganSum -= hold.began ?? 0
    wind(account, clock)
  }
  return Math.floor((hold.stopped ?? clock.monotonicMs()) - (hold.began ?? 0))
}
