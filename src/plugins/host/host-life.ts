/**
 * The life of one plugin's host: started on first need, by the first of many that need it; ended after ten idle minutes, or soon if it was only
 * asked what it has; started again after a crash, later each time; disabled after too many crashes; and replaced by a new one between requests,
 * while the old one drains.
 *
 *     stopped → starting → running → stopped (idle)
 *                  ↑         ↓ crash
 *                  └──── waiting → disabled
 */
import { isOxbowError, errorMessage, OxbowError } from '../../base/index.ts'
import type { HostedPlugin, PluginHostState, PluginOp, PluginOps, PluginRequest } from '../../protocol/index.ts'
import type { HostLink } from './host-link.ts'
import {
  crashWindowMs,
  describedIdleMs,
  drainMs,
  firstRestartMs,
  hostIdleMs,
  hostStartMs,
  maxCrashes,
  maxLogChars,
  maxRestartFactor,
} from './limits.ts'

export interface HostLifeDeps {
  /** @param isSuspect its code is new, or its host has failed @throws OxbowError; then nothing of it lives */
  readonly start: (plugin: HostedPlugin, onLog: (text: string) => void, isSuspect: boolean) => Promise<HostLink>
  readonly nowMs: () => number
  /** The plugin is disabled until a person reloads or enables it. */
  readonly onDisabled: (plugin: string, problem: string) => void
  /** A host has ended. @param log the end of what it and those before it have written */
  readonly onEnded?: (plugin: string, log: string) => void
  /** Shortened by tests. */
  readonly idleMs?: number
  readonly restartMs?: number
  readonly maxCrashes?: number
}

export interface HostLife {
  readonly plugin: () => HostedPlugin
  ask<Op extends PluginOp>(op: Op, input: PluginOps[Op]['input'], request: PluginRequest): Promise<PluginOps[Op]['output']>
  state(): PluginHostState
  /**
   * A new host takes over when it has started and `accept` has not thrown; the old one drains. Also starts what was disabled.
   * @throws what failed; then the old one stays
   */
  replace(plugin: HostedPlugin, accept: (link: HostLink) => Promise<void>): Promise<void>
  /** Resolves when no process of it lives. @param drain whether it may end what it is doing */
  close(drain: boolean): Promise<void>
}

interface Life {
  plugin: HostedPlugin
  readonly deps: HostLifeDeps
  current: Promise<HostLink> | null
  /** The link of `current`, once it has started. */
  running: HostLink | null
  crashes: readonly number[]
  disabled: boolean
  closed: boolean
  problem: string
  log: string
  /** Whether the host was asked for more than what it has. */
  isUsed: boolean
  /** Services that have started, which a host that starts after a crash starts again. */
  readonly services: Set<string>
  idle: NodeJS.Timeout | undefined
  restart: NodeJS.Timeout | undefined
  restartAt: number
}

export function createHostLife(plugin: HostedPlugin, deps: HostLifeDeps): HostLife {
  const life: Life = {
    plugin,
    deps,
    current: null,
    running: null,
    crashes: [],
    disabled: false,
    closed: false,
    problem: '',
    log: '',
    isUsed: false,
    services: new Set(),
    idle: undefined,
    restart: undefined,
    restartAt: 0,
  }
  return {
    plugin: () => life.plugin,
    async ask(op, input, request) {
      const link = life.running?.isOpen() === true ? life.running : await untilAborted(open(life), life.plugin.name, request)
      clearTimeout(life.idle)
      if (op !== 'describe' && op !== 'health') life.isUsed = true
      try {
        return await link.ask(op, input, request)
      } finally {
        for (const type of link.services()) life.services.add(type)
        rest(life, link)
      }
    },
    state: () => ({
      phase: phaseOf(life),
      problem: life.problem,
      crashes: recent(life).length,
      log: life.log,
    }),
    replace: (next, accept) => replace(life, next, accept),
    async close(drain) {
      life.closed = true
      clearTimeout(life.restart)
      clearTimeout(life.idle)
      const link = await life.current?.catch(() => null)
      if (link !== null && link !== undefined) await (drain ? drained(life, link) : link.end(''))
    },
  }
}

function phaseOf({ disabled, running, current, restart }: Life): PluginHostState['phase'] {
  if (disabled) return 'disabled'
  if (running?.isOpen() === true) return 'running'
  if (current !== null) return 'starting'
  return restart === undefined ? 'stopped' : 'waiting'
}

const recent = ({ crashes, deps }: Life): readonly number[] => crashes.filter((at) => at > deps.nowMs() - crashWindowMs)

/** @returns the running host, or the one that starts */
function open(life: Life): Promise<HostLink> {
  if (life.closed) throw new OxbowError('cancelled', 'The plugins are closed.', { hint: 'Start again.' })
  if (life.disabled) throw tooManyCrashes(life)
  if (life.current !== null) return life.current
  const waitMs = life.restartAt - life.deps.nowMs()
  if (waitMs > 0) throw waiting(life, waitMs)
  return begin(life)
}

function begin(life: Life): Promise<HostLink> {
  clearTimeout(life.restart)
  life.restart = undefined
  life.isUsed = life.services.size > 0
  const starting = life.deps.start(life.plugin, (text) => addLog(life, text), recent(life).length > 0)
  life.current = starting
  starting.then(
    (link) => adopt(life, starting, link),
    (error: unknown) => {
      life.deps.onEnded?.(life.plugin.name, life.log)
      if (life.current !== starting) return
      life.current = null
      const problem = errorMessage(error)
      // A full folder is no crash: the next request says so again, until there is room.
      if (isOxbowError(error, 'limit_reached')) life.problem = problem
      else crashed(life, problem, false)
    },
  )
  return starting
}

function adopt(life: Life, starting: Promise<HostLink>, link: HostLink): void {
  if (life.current !== starting) return
  life.running = link
  void link.ended.then((problem) => {
    life.deps.onEnded?.(life.plugin.name, life.log)
    if (life.running !== link) return
    life.running = null
    life.current = null
    if (problem !== '' && !life.closed) crashed(life, problem, true)
  })
  for (const type of life.services)
    link.ask('service', { type }, { signal: new AbortController().signal, timeoutMs: hostStartMs }).catch(() => undefined)
  rest(life, link)
}

/** @param again whether it starts by itself: a host that ran may have held services that others wait for */
function crashed(life: Life, problem: string, again: boolean): void {
  life.problem = problem
  life.crashes = [...recent(life), life.deps.nowMs()]
  if (life.crashes.length >= (life.deps.maxCrashes ?? maxCrashes)) {
    life.disabled = true
    return life.deps.onDisabled(life.plugin.name, problem)
  }
  const { restartMs = firstRestartMs } = life.deps
  const delayMs = restartMs * Math.min(maxRestartFactor, 2 ** (life.crashes.length - 1))
  life.restartAt = life.deps.nowMs() + delayMs
  if (!again) return
  life.restart = setTimeout(() => {
    life.restart = undefined
    if (!life.closed && life.current === null) begin(life).catch(() => undefined)
  }, delayMs)
  life.restart.unref()
}

/** Ends it after a time without requests. */
function rest(life: Life, link: HostLink): void {
  clearTimeout(life.idle)
  if (life.running !== link || link.pending() > 0) return
  const idleMs = life.isUsed ? (life.deps.idleMs ?? hostIdleMs) : describedIdleMs
  life.idle = setTimeout(() => {
    if (life.running !== link || link.pending() > 0) return
    life.running = null
    life.current = null
    void drained(life, link)
  }, idleMs)
  life.idle.unref()
}

async function replace(life: Life, next: HostedPlugin, accept: (link: HostLink) => Promise<void>): Promise<void> {
  // It may write before it has started.
  const log = { text: '', isShown: false }
  const onLog = (text: string): void => {
    log.text = `${log.text}${text}`.slice(-maxLogChars)
    if (log.isShown) life.log = log.text
  }
  let link: HostLink | null = null
  let old: HostLink | null | undefined
  try {
    link = await life.deps.start(next, onLog, true)
    await accept(link)
    old = await life.current?.catch(() => null)
    if (life.closed) throw new OxbowError('cancelled', 'The plugins are closed.', { hint: 'Start again.' })
  } catch (error) {
    await link?.end('')
    // It may say why.
    addLog(life, log.text)
    if (life.current === null) life.problem = errorMessage(error)
    throw error
  }
  life.plugin = next
  life.crashes = []
  life.disabled = false
  life.restartAt = 0
  life.problem = ''
  clearTimeout(life.restart)
  life.restart = undefined
  // From here on requests go to the new one.
  const started = Promise.resolve(link)
  life.current = started
  life.log = log.text
  log.isShown = true
  adopt(life, started, link)
  if (old !== null && old !== undefined) void drained(life, old)
}

/** Lets it end what it is doing, and itself. Never rejects. */
async function drained({ deps: { nowMs } }: Life, link: HostLink): Promise<void> {
  const until = nowMs() + drainMs
  while (link.pending() > 0 && link.isOpen() && nowMs() < until) await new Promise((resolve) => setTimeout(resolve, 20))
  if (link.isOpen() && link.pending() === 0) {
    const left = Math.max(1, until - nowMs())
    await link.ask('drain', {}, { signal: new AbortController().signal, timeoutMs: left }).catch(() => undefined)
  }
  await link.end('')
}

function addLog(life: Life, text: string): void {
  life.log = `${life.log}${text}`.slice(-maxLogChars)
}

/** A start that many wait for goes on when one of them is cancelled. */
async function untilAborted(start: Promise<HostLink>, name: string, { signal, timeoutMs }: PluginRequest): Promise<HostLink> {
  const stopped = Promise.withResolvers<never>()
  const cancel = (): void =>
    stopped.reject(
      new OxbowError('cancelled', `The request to the plugin ${name} was cancelled.`, { hint: 'Ask again if it is still needed.' }),
    )
  const late = (): void =>
    stopped.reject(new OxbowError('timeout', `The plugin ${name} did not start within ${timeoutMs / 1000} s.`, { hint: 'Try again.' }))
  if (signal.aborted) cancel()
  const timer = timeoutMs === Infinity ? undefined : setTimeout(late, timeoutMs)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await Promise.race([start, stopped.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}

function tooManyCrashes({ plugin: { name }, problem }: Life): OxbowError {
  return new OxbowError(
    'sandbox_failed',
    `The plugin ${name} is disabled: its host failed ${maxCrashes} times in ten minutes, at last because ${problem}.`,
    {
      hint: `oxbow plugin logs ${name} shows what it wrote; oxbow plugin reload ${name} starts it again.`,
    },
  )
}

function waiting({ plugin: { name }, problem }: Life, waitMs: number): OxbowError {
  return new OxbowError('sandbox_failed', `The host of the plugin ${name} failed: ${problem.replace(/\.$/, '')}.`, {
    hint: `It may start again in ${Math.ceil(waitMs / 1000)} s. oxbow plugin logs ${name} shows what it wrote.`,
  })
}
