/**
 * Runs the full-screen terminal: one state, one reducer, one drawing, and the guest behind them. The screen appears before the guest has
 * started; a guest that dies is replaced, and the conversation goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { formatMs, noticeLine, plainLine } from '../terminal/index.ts'
import { type CallId, createIdMaker, type Failure, isOxbowError, systemClock, systemRandom, toFailure } from '../base/index.ts'
import { createDriver, type Driver } from './driver.ts'
import { createEffects, isOutside } from './effects.ts'
import { guestPauseMs, maxShortLives, shortLifeMs, tickMs } from './limits.ts'
import type { Link, Ports } from './ports.ts'
import { assertAgent, createSessionLink, type SessionLink } from './session-link.ts'
import { type Effect, type Event, newState, type State, type Surroundings } from './state.ts'
import { type Item, textOfItem } from './transcript.ts'
import { update } from './update.ts'
import { loadExtras } from './view/extras.ts'
import { createItemLines } from './view/items.ts'
import { createMarkdown } from './view/markdown.ts'
import { createScreenDrawing } from './view/screen.ts'
import { firstTheme } from './view/theme.ts'

export interface TuiOptions {
  /** Session to continue, as the beginning of its id. */
  readonly session?: string | undefined
  readonly continue?: boolean | undefined
  readonly model?: string | undefined
  /** Who answers: an agent or a character. */
  readonly agent?: string | undefined
}

export interface TuiEnd {
  /** Why it ended, if the person did not leave. */
  readonly failure: Failure | null
  /** The session that was on the screen. */
  readonly session: string | null
}

/** Runs until the person leaves or no guest can be started. The screen is then as it was before. */
export async function runTui(options: TuiOptions, ports: Ports): Promise<TuiEnd> {
  const left = Promise.withResolvers<null>()
  const leave = (): void => left.resolve(null)
  const app = createApp(options, ports, leave)
  for (const signal of endSignals) process.on(signal, leave)
  app.driver.start()
  void app.settle()
  let failure: Failure | null = null
  try {
    failure = await keepLinked(options, ports, app, left.promise)
  } finally {
    for (const signal of endSignals) process.off(signal, leave)
    await app.stop()
  }
  return { failure, session: app.link.current() }
}

/** The terminal was closed, or somebody ends the program: it ends as if the person had left. */
const endSignals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const

interface App {
  readonly driver: Driver
  readonly link: SessionLink
  readonly dispatch: (event: Event) => void
  /** Loads what the first frame does without. */
  settle(): Promise<void>
  stop(): Promise<void>
}

function createApp(options: TuiOptions, ports: Ports, leave: () => void): App {
  const markdown = createMarkdown()
  const items = createItemLines(markdown)
  const drawing = createScreenDrawing(items)
  const around: Surroundings = {
    ...drawing,
    textOf: createSearchTexts(),
    now: () => Date.now(),
    newId: createIdMaker(systemClock, systemRandom) as () => CallId,
  }
  const theme = firstTheme(ports.env)
  const driver: Driver = createDriver({ frame: () => drawing.frameOf(state), onEvent: (event) => dispatch(event) })
  let state: State = newState({ ...driver.size(), now: Date.now(), theme, version: ports.version, model: options.model ?? '' })
  let isOver = false
  const ticks = createTicks(() => dispatch({ type: 'tick' }))

  const dispatch = (event: Event): void => {
    if (isOver) return
    const [next, effects] = update(state, event, around)
    state = next
    for (const effect of effects) run(effect)
    ticks.set(moves(state))
    driver.draw()
  }
  const link = createSessionLink(ports, dispatch, options.agent ?? '')
  const perform = createEffects({ link, ports, dispatch })
  const run = (effect: Effect): void => {
    if (isOutside(effect)) void perform(effect)
    else if (effect.type === 'exit') leave()
    else if (effect.type === 'suspend') driver.suspend()
    else if (effect.type === 'redraw') driver.redraw()
    else if (effect.type === 'set_theme') dispatch({ type: 'theme', theme: effect.theme })
  }
  return {
    driver,
    link,
    dispatch,
    async settle() {
      const answer = theme === 'plain' ? null : driver.background()
      const { highlight, diff } = await loadExtras()
      markdown.setHighlight(highlight)
      items.setDiff(diff)
      drawing.setDiff(diff)
      dispatch({ type: 'tick' })
      const background = await answer
      if (background !== null && background !== theme) dispatch({ type: 'theme', theme: background })
    },
    async stop() {
      isOver = true
      ticks.set(false)
      await driver.stop()
    },
  }
}

/** What items say, in lower case, made once for each. */
function createSearchTexts(): Surroundings['textOf'] {
  const texts = new WeakMap<Item, string>()
  return (item) => {
    const cached = texts.get(item)
    if (cached !== undefined) return cached
    const text = textOfItem(item).toLowerCase()
    texts.set(item, text)
    return text
  }
}

/** True while something on the screen changes by itself. */
function moves({ transcript, notice, question }: State): boolean {
  return transcript.turn !== null || notice !== null || question?.focused === false
}

function createTicks(tick: () => void): { set(isOn: boolean): void } {
  let timer: NodeJS.Timeout | undefined
  return {
    set(isOn) {
      if (isOn === (timer !== undefined)) return
      clearInterval(timer)
      timer = isOn ? setInterval(tick, tickMs) : undefined
    },
  }
}

/** @returns why it ends without the person: no guest can be started, or guests keep dying */
async function keepLinked(options: TuiOptions, ports: Ports, app: App, left: Promise<null>): Promise<Failure | null> {
  let short = 0
  for (let isFirst = true; ; isFirst = false) {
    const opening = ports.open()
    const opened = await Promise.race([opening.catch((error: unknown) => toFailure(error, 'guest_unreachable', 'See `oxbow logs`.')), left])
    if (opened === null) {
      // Nobody waits for a guest that is still starting; it is stopped all the same.
      await opening.then(
        (link) => link.close(),
        () => {},
      )
      return null
    }
    if (!('gateway' in opened)) return opened
    const beganAt = performance.now()
    const ended = await useLink(opened, { options, ports, app, left, isFirst })
    app.link.unlinked()
    await opened.close()
    if (ended === null) return null
    if (ended.isFinal) return ended.failure
    const lived = performance.now() - beganAt
    short = lived < shortLifeMs ? short + 1 : 0
    if (short > maxShortLives) return ended.failure
    app.dispatch({ type: 'connection', state: 'reconnecting' })
    app.dispatch({
      type: 'say',
      text: `${plainLine(ended.failure.message, 200)}: starting another guest, after ${formatMs(lived)}.`,
      isError: true,
    })
    await Promise.race([sleep(short * guestPauseMs), left])
  }
}

interface Use {
  readonly options: TuiOptions
  readonly ports: Ports
  readonly app: App
  readonly left: Promise<null>
  readonly isFirst: boolean
}

interface Ended {
  readonly failure: Failure
  /** No other guest would do better: what the person has asked for is not there. */
  readonly isFinal: boolean
}

/** @returns null when the person leaves, else why the guest is of no more use */
async function useLink(link: Link, { options, ports, app, left, isFirst }: Use): Promise<Ended | null> {
  const { dispatch } = app
  link.onConnection(({ type }) => type !== 'gone' && dispatch({ type: 'connection', state: type }))
  link.onNotice((notice) => {
    void noticeLine(notice, link.gateway).then((said) => dispatch({ type: 'heard', seq: notice.seq, ...said }))
  })
  const begin = async (): Promise<void> => {
    // Before anything greets the person.
    if (isFirst && options.agent !== undefined) await assertAgent(link.gateway, options.agent)
    dispatch({ type: 'status', status: await link.gateway.status() })
    dispatch({ type: 'connection', state: 'connected' })
    const isFresh = isFirst && options.session === undefined && options.continue !== true
    // Before a message that was typed meanwhile starts a turn, which is not one that was interrupted.
    if (isFresh) ports.news(link, (text) => dispatch({ type: 'note', tone: 'info', text: text.trim() }))
    await app.link.linked(link.gateway)
    if (!isFirst) return
    if (options.session !== undefined) await app.link.open(options.session)
    else if (options.continue === true) await app.link.openNewest()
    // A new session gets it with its first message.
    if (options.agent !== undefined && app.link.current() !== null) await app.link.chooseAgent(options.agent)
  }
  const begun = begin().then(
    () => new Promise<never>(() => {}),
    (error: unknown) => {
      if (isOxbowError(error, 'guest_unreachable')) return new Promise<never>(() => {})
      return { failure: toFailure(error, 'guest_unreachable', ''), isFinal: isFirst }
    },
  )
  return Promise.race([begun, link.gone.then((failure) => ({ failure, isFinal: false })), left])
}
