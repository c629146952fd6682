/**
 * What turns ask of memory: whether recalling may find anything, the search itself, and how long to wait for it. Its parts are loaded with
 * the first turn that may recall something, or beforehand.
 */
import type { Once, SessionId } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import type { MemoryPresence } from '../keep/memory-presence.ts'
import { coldPatienceMs, openingPatienceMs, queuedPatienceMs, restedMs, warmPatienceMs } from './recall-limits.ts'
import type { Recall } from './recalled.ts'
import type { TurnMemory, TurnQuestion, TurnRecall } from './turn-recall.ts'
import type { Wanted } from './wanted.ts'

export interface TurnCalls {
  /** Whether recalling for this message may find anything. A promise only the first time. */
  mayRecall(session: SessionId, text: string): boolean | Promise<boolean>
  /**
   * Starts to look for what fits a message while it is being recorded. Not for one that waits behind another: it recalls when its turn
   * begins. Never throws.
   */
  foresee(session: SessionId, text: string, tags: readonly string[], persona?: string): void
  /**
   * How long a turn waits for what is recalled: what comes later is left to its next step. A promise while its search cannot begin yet, since
   * memory opens or other searches go first: its patience begins when it can, or after a timeout.
   */
  patienceMs(): number | Promise<number>
  /** Call when a turn was given something. @param isLate too late for its first request to the model */
  recalled(isLate: boolean): void
  /** Turns of this guest that were given something. */
  recalls(): Recalls
  /** Reads what earlier guests left unread, and opens what a search needs, behind all else. Nothing is started for an empty memory. */
  prepare(): void
  /** Recall before a turn. */
  recallForTurn(question: TurnQuestion): Promise<TurnMemory>
}

interface Recalls {
  /** Before the first request to the model. */
  readonly in_time: number
  /** Afterwards: the turn's later requests had it, if there were any. */
  readonly late: number
}

export interface TurnSide extends TurnCalls {
  /** Call when entries were erased. */
  erased(): void
}

export interface TurnSideParts {
  readonly presence: MemoryPresence
  readonly turnRecall: Once<TurnRecall>
  readonly recall: Once<Recall>
  readonly wanted: Once<Wanted>
  /** Resolves when what earlier guests left unread is indexed, or after a short timeout. */
  readonly catchUp: () => Promise<void>
}

interface TurnSideOptions {
  readonly config: Pick<Config['memory'], 'recall' | 'recall_tokens'>
  readonly clock: { monotonicMs(): number }
  /** For tests. */
  readonly patienceMs?: number
}

interface OpenTurns {
  readonly recall: TurnRecall
  readonly hot: Wanted['hot']
}

/** Read by the table of words and compared with all that is found, so that every table is opened. */
const warmingQuestion = 'Where does my sister play the cello?'

export function createTurnSide({ config, clock, patienceMs }: TurnSideOptions, parts: TurnSideParts): TurnSide {
  const { presence, turnRecall, wanted, recall } = parts
  const counts = { in_time: 0, late: 0 }
  const isOn = config.recall && config.recall_tokens > 0
  let opened: OpenTurns | null = null
  /** While what is in memory is not known yet. */
  let preparing: Promise<void> | null = null
  const open = async (): Promise<OpenTurns> => {
    const [turns, { hot }] = await Promise.all([turnRecall(), wanted()])
    return (opened ??= { recall: turns, hot })
  }
  const opening = createOpening(clock, async () => {
    await Promise.all([open(), (await recall()).recall({ text: warmingQuestion, filter: {}, limit: 1, tokens: 1, warmsUp: true })])
  })
  const hasOthers = (session: SessionId): boolean | Promise<boolean> => isOn && presence.hasOthers(session)
  const mayRecall = (session: SessionId, text: string): boolean | Promise<boolean> => {
    if (opened?.recall.kindOf(text) === 'nothing') return false
    if (preparing !== null) return preparing.then(() => mayRecall(session, text))
    return hasOthers(session)
  }
  const foresee: TurnSide['foresee'] = (session, text, tags, persona) => {
    if (preparing !== null) {
      void preparing.then(() => foresee(session, text, tags, persona))
      return
    }
    const others = hasOthers(session)
    // Only the first time; the search does not hurry then.
    if (typeof others !== 'boolean') void others.catch(notSaidHere)
    else if (!others) return
    else if (opened === null) {
      opening.begin()
      void open().then((turns) => turns.recall.foresee(session, text, tags, persona), notSaidHere)
    } else {
      if (opened.recall.kindOf(text) !== 'nothing') opening.begin()
      opened.recall.foresee(session, text, tags, persona)
    }
  }
  return {
    erased: () => opened?.recall.erased(),
    mayRecall,
    foresee,
    patienceMs: () => patienceMs ?? opening.patienceMs(() => opened?.recall.newestOfMany() ?? null),
    recalled: (isLate) => void (counts[isLate ? 'late' : 'in_time'] += 1),
    recalls: () => ({ ...counts }),
    prepare() {
      if (!isOn) return
      // Both begin at once: reading the texts and opening the tables need the same thread to start first.
      const read = (preparing = parts
        .catchUp()
        .catch(notSaidHere)
        .finally(() => (preparing = null)))
      opening.during(async (warm) => {
        if (!(await presence.hasAny())) await read
        if (await presence.hasAny()) await warm()
        await read
      })
    },
    async recallForTurn(question) {
      const turns = await open()
      const recalled = await turns.recall.recall(question)
      opening.searched()
      // What is used often is told to those who may read everything, and with a message about the person.
      const tellsHot = (question.tags ?? []).length === 0 && turns.recall.kindOf(question.text) === 'personal'
      return !tellsHot ? recalled : (await wanted()).withHot(question, recalled)
    },
  }
}

interface Opening {
  /** Also where nothing was there to be opened for at the start, and after a rest: the threads of a search have ended by then. */
  begin(): void
  during(work: (warm: () => Promise<void>) => Promise<void>): void
  /** Call after each search. */
  searched(): void
  /** @param queue resolves when the searches that are under way are answered; null if none goes first. Asked again then: more may have come. */
  patienceMs(queue: () => Promise<unknown> | null): number | Promise<number>
}

/** Whether what a search needs is open, and how long a turn waits for it. */
function createOpening(clock: TurnSideOptions['clock'], open: () => Promise<void>): Opening {
  let under: Promise<unknown> | null = null
  let searchedAt: number | null = null
  const isRested = (): boolean => searchedAt === null || clock.monotonicMs() - searchedAt >= restedMs
  const searched = (): void => void (searchedAt = clock.monotonicMs())
  const warm = (): Promise<void> => open().then(searched)
  const during: Opening['during'] = (work) => {
    under = work(warm)
      .catch(notSaidHere)
      .finally(() => (under = null))
  }
  const begin = (): void => {
    if (under === null && isRested()) during(warm)
  }
  return {
    begin,
    during,
    searched,
    patienceMs(queue) {
      begin()
      if (under !== null) return atMost(openingPatienceMs, under).then(() => coldPatienceMs)
      return queue() === null ? warmPatienceMs : atMost(queuedPatienceMs, throughQueue(clock, queue)).then(() => warmPatienceMs)
    },
  }
}

/** Resolves when nothing is under way any more. A search is answered in order, but a turn's own may begin behind others that came meanwhile. */
async function throughQueue(clock: TurnSideOptions['clock'], queue: () => Promise<unknown> | null): Promise<void> {
  const until = clock.monotonicMs() + queuedPatienceMs
  let last: Promise<unknown> | null = null
  for (let next = queue(); next !== null && next !== last && clock.monotonicMs() < until; next = queue()) {
    await next
    last = next
  }
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work, late])
  clearTimeout(timer)
}

/** A failure of the store or of loading rejects the next request. */
function notSaidHere(): void {}
