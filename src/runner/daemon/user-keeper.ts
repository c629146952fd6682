/** One user of the daemon: whether their guest is to run, and what became of it. */
import type { Failure } from '../../base/index.ts'
import type { UserStatus } from '../../protocol/index.ts'
import type { HostEvents } from './host-events.ts'
import type { KeepEnd, KeepHooks, Keeping } from './keep-here.ts'
import type { SettingsOfUsers } from './user-settings.ts'

type GuestVariables = Readonly<Record<string, string>>

export interface UserKeeper {
  status(): UserStatus
  /** Resolves when it runs, or why it does not is known. @returns whether this has started it */
  start(variables: GuestVariables): Promise<boolean>
  /** Resolves when nothing of it runs. @param keepVariables for the next start @returns whether something did */
  stop(keepVariables?: boolean): Promise<boolean>
  /** As `stop`, but it is to run again with the next daemon. */
  close(): Promise<void>
}

export interface KeeperDeps {
  readonly user: string
  /** @param variables for the guest, in addition to the daemon's own @throws what keeps it from beginning */
  readonly begin: (variables: GuestVariables, hooks: KeepHooks) => Promise<Keeping & { readonly limits: string }>
  /** Takes a place among those that start at the same time. @returns what gives it back */
  readonly place: () => Promise<() => void>
  readonly settings: Pick<SettingsOfUsers, 'of' | 'set'>
  readonly events: Pick<HostEvents, 'note'>
  readonly now: () => number
}

/** Before a run is due: a start takes a second, on a busy machine ten. */
const wakeAheadMs = 60_000
/** Longer timers overflow; it looks again. */
const maxTimerMs: number = 24 * 3_600_000

type Shown = Pick<UserStatus, 'state' | 'pid' | 'url' | 'reason' | 'hint'>

interface Attempt {
  /** Settles when it runs, or never will. */
  readonly ready: Promise<void>
  readonly over: Promise<void>
  stop(): void
}

export function createUserKeeper(deps: KeeperDeps): UserKeeper {
  const { user, settings, now } = deps
  const view = createView(deps)
  let limits = ''
  let variables: GuestVariables = {}
  let attempt: Attempt | null = null
  let alarm: NodeJS.Timeout | undefined

  const wakeAt = (at: number): void => {
    const waitMs = at - now()
    alarm = setTimeout(() => (waitMs > maxTimerMs ? wakeAt(at) : void begin()), Math.max(0, Math.min(waitMs, maxTimerMs))).unref()
  }
  const run = async (own: Own, ready: () => void): Promise<void> => {
    const end = await carryOut(deps, view, { own, ready, variables, onLimits: (text) => (limits = text) })
    if (end?.why === 'idle' && end.nextAt !== null) wakeAt(end.nextAt - wakeAheadMs)
  }
  const begin = (): Attempt => {
    clearTimeout(alarm)
    const own: Own = { isStopped: false, keeping: null }
    const ready = Promise.withResolvers<void>()
    const stop = (): void => {
      own.isStopped = true
      own.keeping?.stop()
    }
    const mine: Attempt = { ready: ready.promise, stop, over: run(own, ready.resolve) }
    attempt = mine
    void mine.over.then(() => {
      if (attempt === mine) attempt = null
    })
    return mine
  }
  const end = async (): Promise<boolean> => {
    clearTimeout(alarm)
    const ending = attempt
    ending?.stop()
    await ending?.over
    return ending !== null
  }
  return {
    status: () => ({ user, wanted: settings.of(user).run, limits, ...view.shown() }),
    async start(given) {
      if (attempt !== null && view.shown().state !== 'pausing') {
        await attempt.ready
        return false
      }
      // A person does not wait for the end of a pause.
      await end()
      view.forgetLosses()
      variables = { ...variables, ...given }
      await begin().ready
      return view.shown().state === 'running'
    },
    async stop(keepVariables = false) {
      if (!keepVariables) variables = {}
      const isEnded = await end()
      view.show({ state: 'stopped' })
      return isEnded
    },
    close: async () => void (await end()),
  }
}

interface Own {
  isStopped: boolean
  keeping: Keeping | null
}

interface Start {
  readonly own: Own
  readonly ready: () => void
  readonly variables: GuestVariables
  readonly onLimits: (limits: string) => void
}

/** From its turn to start to its end. Never rejects. @returns how it ended; null: it did not come to a start */
async function carryOut(deps: KeeperDeps, view: View, { own, ready, variables, onLimits }: Start): Promise<KeepEnd | null> {
  view.show({ state: 'waiting' })
  const leave = await deps.place()
  try {
    view.show({ state: own.isStopped ? 'stopped' : 'starting' })
    if (own.isStopped) return null
    const keeping = await deps.begin(variables, view.hooks(leave, ready))
    onLimits(keeping.limits)
    own.keeping = keeping
    if (own.isStopped) keeping.stop()
    const end = await keeping.over
    view.finish(end)
    return end
  } catch (error) {
    const { message, hint = '' } = error as Error & { hint?: string }
    view.fail({ message, hint })
    return null
  } finally {
    leave()
    ready()
  }
}

type View = ReturnType<typeof createView>

/** What became of it, as the status and the events tell. */
function createView({ user, events, now }: Pick<KeeperDeps, 'user' | 'events' | 'now'>) {
  let shown: Shown & { readonly since: number } = { ...none, state: 'stopped', since: now() }
  let losses = 0
  const show = (next: Partial<Shown> & Pick<Shown, 'state'>): void => void (shown = { ...none, ...next, since: now() })
  const fail = ({ message, hint }: Pick<Failure, 'message' | 'hint'>): void => {
    show({ state: 'failed', reason: message, hint })
    events.note('guest_failed', user, message)
  }
  return {
    show,
    fail,
    shown: () => ({ ...shown, losses }),
    forgetLosses: () => void (losses = 0),
    /** @param leave gives its place among those that start to another one @param ready it runs */
    hooks: (leave: () => void, ready: () => void): KeepHooks => ({
      onStart({ pid, url }) {
        show({ state: 'running', pid, url })
        events.note('guest_started', user, `process ${pid} at ${url}`)
        leave()
        ready()
      },
      onOther({ pid, url }) {
        if (shown.state === 'other' && shown.pid === pid) return
        const reason = `the guest of a terminal serves, process ${pid}`
        show({ state: 'other', pid, url, reason, hint: 'The daemon takes over when that terminal ends.' })
        events.note('guest_other', user, reason)
        leave()
        ready()
      },
      onLoss({ message, hint }, pauseMs) {
        losses += 1
        const reason = `${message}; another one is started in ${pauseMs / 1_000} s`
        show({ state: 'pausing', reason, hint })
        events.note('guest_lost', user, reason)
        leave()
      },
      onWarn: (text) => events.note('warning', user, text),
    }),
    finish(end: KeepEnd): void {
      if (end.why === 'failed') return fail(end.failure)
      show({ state: end.why, ...(end.why === 'idle' && { reason: 'it had nothing to do; a terminal that connects starts it' }) })
      events.note(end.why === 'idle' ? 'guest_idle' : 'guest_stopped', user, end.why === 'idle' ? idleText(end.nextAt) : '')
    },
  }
}

const none: Shown = { state: 'stopped', pid: null, url: '', reason: '', hint: '' }

function idleText(nextAt: number | null): string {
  return nextAt === null ? 'nothing to do' : `nothing to do until ${new Date(nextAt).toISOString()}`
}
