/** Puts rolling summaries together: who keeps them, which model writes them, and what runs in the background. */
import { createMessageCounter, type RollingSummary } from '../../runtime/index.ts'
import type { Store } from '../../store/index.ts'
import type { Config, Engine, UserId } from '../../types/index.ts'
import { type Complete, createComplete } from '../models/complete-call.ts'
import type { HistoryDeps } from '../conversation/history-pages.ts'
import { createSummaries, type Summaries } from '../conversation/summaries.ts'
import type { Gate } from '../gate.ts'
import type { Journal } from '../journal.ts'
import type { Sessions } from '../sessions.ts'
import { type Background, createBackground } from '../background/background.ts'

interface RollingDeps {
  readonly user: UserId
  readonly store: Store
  readonly engine: Engine
  readonly config: Config
  readonly sessions: Sessions
  readonly newId: () => string
  readonly journal: () => Journal
  readonly gate: () => Gate
}

export interface Rolling {
  readonly history: HistoryDeps
  readonly summaries: Summaries
  readonly background: Background
  readonly askForFacts: Complete
  readonly askForTitle: Complete
  /** What the runtime is handed; undefined where summaries are off. */
  readonly runtime: RollingSummary | undefined
}

export function createRolling({ user, store, engine, config, sessions, newId, journal, gate }: RollingDeps): Rolling {
  const { summary } = config.memory
  const history: HistoryDeps = { store, lineage: (session) => sessions.load(session) }
  const background = createBackground({ user, gate, newId })
  const summaries = createSummaries({
    ...history,
    store,
    journal,
    sessions,
    config: summary,
    counter: createMessageCounter(engine.countTokens),
    contextTokens: engine.model.contextTokens,
    complete: createComplete({ gate, newId, engine, model: summary.model }),
  })
  const later: RollingSummary['later'] = ({ session }, room) =>
    void background.run(session, 'session.summarize', { room, background: true })
  const askForFacts = createComplete({ gate, newId, engine, model: config.memory.consolidation.model })
  const { model } = config.memory.titles
  const askForTitle = createComplete({ gate, newId, engine, model: model === 'session' ? '' : model })
  return {
    history,
    summaries,
    background,
    askForFacts,
    askForTitle,
    runtime: summary.enabled ? { triggerRatio: summary.trigger_ratio, later } : undefined,
  }
}
