/** The turns that have changed something: their newest commits, and the commit after each that ends, in order. */
import type { Background, Events } from '../../kernel/index.ts'
import type { Sandbox } from '../../protocol/index.ts'
import type { Owner } from './change-owners.ts'
import type { Committed } from './version-schemas.ts'

/** A commit of a turn. */
export interface TurnCommit {
  /** Null: it has changed nothing. */
  readonly commit: string | null
  readonly state: Committed['state']
}

export interface ChangedTurns {
  /** @returns whether these are the first files that a turn changes */
  note(owner: Owner, isState: boolean): boolean
  /** Notes a commit of a turn. */
  keep(turn: string, done: Committed): void
  /** A turn, or a run of a graph, is over. */
  end(turn: string): void
  /** Whether it runs, and has changed something. */
  isRunning(turn: string): boolean
  /** Who has made a turn that has ended and is not yet committed. */
  ended(turn: string): Owner
  commitOf(turn: string): TurnCommit
  /** Settles when the turns that have ended are committed; null: none has ended. */
  committing(): Promise<void> | null
}

interface TurnsDeps {
  readonly sandbox: Sandbox
  readonly background: Pick<Background, 'run'>
  readonly events: Pick<Events, 'onTurnEnd'>
  /** Called when the commit after a turn is made. */
  readonly onCommitted: (turn: string) => void
}

/** A turn that has changed something. */
interface Changed extends Owner {
  onlyState: boolean
  /** What was there before it is committed. */
  begun: boolean
  commit: string | null
  readonly state: Map<string, number>
}

export function createChangedTurns({ sandbox, background, events, onCommitted }: TurnsDeps): ChangedTurns {
  const turns = new Map<string, Changed>()
  /** Turns that have ended and are not yet committed, in order. */
  const waiting: Changed[] = []
  let committing: Promise<void> | null = null
  let isListening = false
  const waits = (turn: string): Changed | undefined => waiting.find((one) => one.turn === turn)
  const commitAll = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      await background.run(next.session, 'version.after_turn', { turn: next.turn, only_state: next.onlyState })
      waiting.shift()
      onCommitted(next.turn)
    }
    committing = null
  }
  const end = (turn: string): void => {
    const changed = turns.get(turn)
    turns.delete(turn)
    if (changed === undefined || !sandbox.status.files) return
    waiting.push(changed)
    committing ??= commitAll()
  }
  return {
    note({ turn, session, actor }, isState) {
      if (turn === '') return false
      // A guest whose turns change nothing never looks at their ends.
      if (!isListening) events.onTurnEnd(({ call }) => end(call))
      isListening = true
      const found = turns.get(turn)
      if (found === undefined)
        turns.set(turn, { turn, session, actor, onlyState: isState, begun: !isState, commit: null, state: new Map() })
      else found.onlyState &&= isState
      if (found?.begun === true || isState) return false
      if (found !== undefined) found.begun = true
      return true
    },
    keep(turn, { commit, changed, state }) {
      const found = turns.get(turn) ?? waits(turn)
      if (found === undefined || !changed) return
      found.commit = commit
      for (const { document, version } of state) found.state.set(document, version)
    },
    end,
    isRunning: (turn) => turns.has(turn),
    ended: (turn) => waits(turn) ?? { turn, session: '', actor: 'agent' },
    commitOf(turn) {
      const found = waits(turn)
      return { commit: found?.commit ?? null, state: [...(found?.state ?? [])].map(([document, version]) => ({ document, version })) }
    },
    committing: () => committing,
  }
}
